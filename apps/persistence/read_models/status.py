"""This module is how the projection behind models stands, kept beside them under `{model_type}.projection_status` for whoever reads them.

A reader in any language then knows whether what it reads is up to date, without asking for consumers or positions. Each change is a
revision of the key, so the last few can be read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import EncodingError, InvalidInput, PersistenceError, StreamNotFound
from ..events import format_time, now, parse_time
from ..store import Connection, KvEntry, kv_get, kv_get_many, kv_history, kv_put, subjects_matching
from ..subjects import check_token
from .model import STATUS
from .store import READ_MODELS_BUCKET


class StatusKind(StrEnum):
    """What a projection is doing, as its readers need to know it."""

    UP_TO_DATE = "up_to_date"
    REBUILDING = "rebuilding"
    LAGGING = "lagging"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsStatus:
    """How the models of a type stand: `behind_by` events are not in them yet; `reason` says why it failed.

    `position` is that of the newest event in them when it was written. `at` and `revision` are None and 0 before it is stored.
    """

    kind: StatusKind
    behind_by: int = 0
    position: int = 0
    reason: str = ""
    at: datetime | None = None
    revision: int = 0

    def __post_init__(self) -> None:
        if self.behind_by < 0 or self.position < 0:
            raise InvalidInput(f"A projection cannot be {self.behind_by} events behind at position {self.position}.")
        if (self.kind is StatusKind.FAILED) != bool(self.reason):
            raise InvalidInput(f"A status {self.kind} {'needs' if self.kind is StatusKind.FAILED else 'has no'} reason.")


def status_of(*, position: int, lag: int, is_rebuilding: bool = False, failure: str = "") -> ModelsStatus:
    """The status that positions and a failure amount to; a failure says more than a rebuild, and that more than a lag."""
    if failure:
        return ModelsStatus(kind=StatusKind.FAILED, position=position, behind_by=lag, reason=failure)
    if is_rebuilding:
        return ModelsStatus(kind=StatusKind.REBUILDING, position=position, behind_by=lag)
    return ModelsStatus(kind=StatusKind.LAGGING if lag else StatusKind.UP_TO_DATE, position=position, behind_by=lag)


async def update_projection_status(
    connection: Connection, model_type: str, status: ModelsStatus, *, bucket: str = READ_MODELS_BUCKET
) -> ModelsStatus:
    """Store the status of a type's models, and return it as it is stored. Raises InvalidSubject, StreamNotFound, Unavailable."""
    moment = now()
    fields: dict[str, Value] = {
        "kind": status.kind.value,
        "behind_by": status.behind_by,
        "position": status.position,
        "reason": status.reason,
        "at": format_time(moment),
    }
    revision = await kv_put(connection, bucket, _key(model_type), encode(fields))
    return replace(status, at=moment, revision=revision)


async def find_projection_status(connection: Connection, model_type: str, *, bucket: str = READ_MODELS_BUCKET) -> ModelsStatus | None:
    """The newest status of a type's models, or None where none was ever stored. Raises EncodingError for what is none."""
    try:
        entry = await kv_get(connection, bucket, _key(model_type))
    except StreamNotFound:
        return None
    return _parse(entry) if entry else None


async def projection_status_history(connection: Connection, model_type: str, *, bucket: str = READ_MODELS_BUCKET) -> list[ModelsStatus]:
    """The statuses that are still kept, oldest first. Raises StreamNotFound, EncodingError."""
    return [_parse(entry) for entry in await kv_history(connection, bucket, _key(model_type)) if entry.operation == "put"]


async def list_projection_statuses(connection: Connection, *, bucket: str = READ_MODELS_BUCKET) -> dict[str, ModelsStatus]:
    """The newest status of every type that has one; none where the bucket is missing."""
    try:
        subjects = await subjects_matching(connection, f"KV_{bucket}", f"$KV.{bucket}.*.{STATUS}")
        entries = await kv_get_many(connection, bucket, sorted(subject[len(f"$KV.{bucket}.") :] for subject in subjects))
    except StreamNotFound:
        return {}
    return {key.partition(".")[0]: _parse(entry) for key, entry in entries.items()}


def _key(model_type: str) -> str:
    return f"{check_token(model_type, 'a model type')}.{STATUS}"


def _parse(entry: KvEntry) -> ModelsStatus:
    try:
        fields = cast("Mapping[str, Value]", decode(entry.value))
        return ModelsStatus(
            kind=StatusKind(cast(str, fields["kind"])),
            behind_by=cast(int, fields["behind_by"]),
            position=cast(int, fields["position"]),
            reason=cast(str, fields["reason"]),
            at=parse_time(cast(str, fields["at"])),
            revision=entry.revision,
        )
    except (PersistenceError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise EncodingError(f"{entry.key} of {entry.bucket} at revision {entry.revision:,} is no status ({error}).") from error
