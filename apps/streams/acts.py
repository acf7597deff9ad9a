"""This module is what operators can do to a stream and its consumers, each with its form's address or the reason why it cannot be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from apps.persistence.operations.consumer_rights import why_no_consumer
from apps.persistence.operations.protection import Act, why_not
from apps.persistence.store import ConsumerInfo, ServerFacts, StreamInfo
from apps.persistence.store.consumers import PAUSE_SINCE
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


def acts_on_consumer(consumer: ConsumerInfo, server: ServerFacts | None) -> tuple[StreamAct, ...]:
    """What can be done to a consumer. `server` is the one that has it, None where that is not known."""
    held = "resume-consumer" if consumer.is_paused else "pause-consumer"
    words = "Resume…" if consumer.is_paused else "Pause…"
    given = {"stream": consumer.stream, "consumer": consumer.name}
    refused = why_no_consumer(registry(), consumer.stream, consumer.name)
    return (
        _consumer_act("Reset…", "reset-consumer", given, refused),
        _consumer_act(words, held, given, refused or _why_no_pause(server)),
        _consumer_act("Delete…", "delete-consumer", given, refused),
    )


def creating_consumer(stream: str) -> StreamAct:
    """Making a consumer of a stream."""
    return _consumer_act("Create consumer…", "create-consumer", {"stream": stream}, why_no_consumer(registry(), stream))


def _why_no_pause(server: ServerFacts | None) -> str:
    if server is None or server.at_least(*PAUSE_SINCE):
        return ""
    return f"Pausing needs nats-server {PAUSE_SINCE[0]}.{PAUSE_SINCE[1]}; this one is {server.version}."


def _consumer_act(words: str, operation: str, given: Mapping[str, str], reason: str) -> StreamAct:
    address = f"{reverse('runs:new', args=[operation])}?{urlencode(given)}"
    return StreamAct(words=words, permission=f"operations.{operation.replace('-', '_')}", address=address, reason=reason)


def _act(act: Act, words: str, operation: str, stream: StreamInfo | None, given: Mapping[str, str]) -> StreamAct:
    return StreamAct(
        words=words,
        permission=f"operations.{operation.replace('-', '_')}",
        address=f"{reverse('runs:new', args=[operation])}{'?' if given else ''}{urlencode(given)}",
        reason=why_not(registry(), act, stream.name if stream else "", stream),
    )
