"""This module is what operators can do to a stream, each with its form's address or the reason why it cannot be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from apps.persistence.operations.protection import Act, why_not
from apps.persistence.store import StreamInfo
from apps.registry import registry


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAct:
    """One of them. `reason` is empty where it can be done."""

    words: str
    permission: str
    address: str
    reason: str = ""


def acts_on(stream: StreamInfo) -> tuple[StreamAct, ...]:
    """What can be done to a stream as a whole; of a bucket what buckets have."""
    name = stream.name
    if name.startswith("KV_"):
        bucket = {"bucket": name.removeprefix("KV_")}
        first = [
            _act(Act.CHANGE, "Change…", "change-bucket", stream, bucket),
            _act(Act.PURGE, "Purge a key…", "purge-key", stream, bucket),
        ]
    else:
        first = [_act(Act.CHANGE, "Change…", "change-stream", stream, {"stream": name})]
    return (
        *first,
        _act(Act.PURGE, "Purge…", "purge", stream, {"stream": name}),
        _act(Act.SEAL, "Seal…", "seal", stream, {"stream": name}),
        _act(Act.DELETE, "Delete…", "delete-stream", stream, {"stream": name}),
    )


def deleting(stream: StreamInfo, sequence: int) -> StreamAct:
    """Deleting one message."""
    return _act(Act.DELETE_MESSAGE, "Delete message…", "delete-message", stream, {"stream": stream.name, "sequence": str(sequence)})


def creating() -> tuple[StreamAct, ...]:
    """Making a stream or a bucket."""
    return (_act(Act.CREATE, "Create stream…", "create-stream", None, {}), _act(Act.CREATE, "Create bucket…", "create-bucket", None, {}))


def _act(act: Act, words: str, operation: str, stream: StreamInfo | None, given: Mapping[str, str]) -> StreamAct:
    return StreamAct(
        words=words,
        permission=f"operations.{operation.replace('-', '_')}",
        address=f"{reverse('runs:new', args=[operation])}{'?' if given else ''}{urlencode(given)}",
        reason=why_not(registry(), act, stream.name if stream else "", stream),
    )
