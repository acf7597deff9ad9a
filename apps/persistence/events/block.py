"""This module is the event and its block: the canonical DAG-CBOR bytes that are stored, hashed and never written anew.

The format is the project's own; `docs/architecture.md` describes it field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from ..encoding import Cid, Value, decode, encode
from ..encoding.cid import is_ours
from ..encoding.quick import decode_with_one_link
from ..errors import InvalidEvent, InvalidInput
from ..subjects import check_token
from .aggregate import AggregateRef, Head
from .identity import check_uuid, format_time, parse_time
from .well_formed import find_aggregate, find_time, is_well_formed

MAX_VERSION = 2**63 - 1
_FIELDS = frozenset(
    [
        "aggregate",
        "version",
        "type",
        "schema",
        "id",
        "time",
        "actor",
        "correlation",
        "causation",
        "scope",
        "previous",
        "payload",
        "metadata",
    ]
)


class Scope(StrEnum):
    """How far an event may travel."""

    LOCAL = "local"
    CONTAINER = "container"
    LEAF = "leaf"
    CLUSTER = "cluster"
    SUPER_CLUSTER = "super_cluster"


_SCOPES: dict[str, Scope] = {scope.value: scope for scope in Scope}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """What a caller says of an event that is still to be stored; the store adds its aggregate, version and `previous`.

    Left out, `id` is a new UUIDv7, `time` is now, and `correlation` is the event's own id (it begins a story).
    """

    type: str
    payload: Mapping[str, Value] = field(default_factory=dict)
    schema: int = 1
    actor: str = "system"
    correlation: str | None = None
    causation: str | None = None
    scope: Scope = Scope.CLUSTER
    metadata: Mapping[str, Value] = field(default_factory=dict)
    id: str | None = None
    time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An immutable fact about one aggregate. `time` is the writer's claim; the server's own time is on StoredEvent."""

    aggregate: AggregateRef
    version: int
    type: str
    schema: int
    id: str
    time: datetime
    actor: str
    correlation: str
    causation: str | None
    scope: Scope
    previous: Cid | None
    payload: dict[str, Value]
    metadata: dict[str, Value]

    def to_block(self) -> bytes:
        """The canonical bytes of this event. Raises InvalidEvent, or EncodingError for a payload that DAG-CBOR cannot hold."""
        _check(self)
        return encode(
            {
                "aggregate": {"context": self.aggregate.context, "type": self.aggregate.type, "id": self.aggregate.id},
                "version": self.version,
                "type": self.type,
                "schema": self.schema,
                "id": self.id,
                "time": format_time(self.time),
                "actor": self.actor,
                "correlation": self.correlation,
                "causation": self.causation,
                "scope": self.scope.value,
                "previous": self.previous,
                "payload": self.payload,
                "metadata": self.metadata,
            }
        )

    @classmethod
    def from_block(cls, block: bytes) -> Event:
        """Read a stored block. Raises EncodingError if it is not strict DAG-CBOR, InvalidEvent if it is not an event."""
        value = _decode(block)
        if not isinstance(value, dict) or value.keys() != _FIELDS:
            raise InvalidEvent(_describe_fields(value))
        quickly = _read_quickly(value)
        if quickly is not None:
            return quickly
        try:
            event = _from_fields(value)
            _check(event)
        except (InvalidInput, TypeError, ValueError, KeyError) as error:
            raise InvalidEvent(f"The block is not an event: {error}") from error
        if format_time(event.time) != value["time"]:
            raise InvalidEvent(f"The block's time {value['time']!r} is not in the form 2026-11-21T10:40:31.904218Z.")
        return event


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it lies in a stream: `sequence` and `stored_at` are the server's, `size` is that of the block in bytes.

    `event` may have been upcast; `stored_schema` is the one that it was written with.
    """

    event: Event
    cid: Cid
    stream: str
    subject: str
    sequence: int
    stored_at: datetime
    size: int
    stored_schema: int

    @property
    def head(self) -> Head:
        """The head of the aggregate if this is its newest event."""
        return Head(aggregate=self.event.aggregate, version=self.event.version, cid=self.cid, stream=self.stream)


def _decode(block: bytes) -> Value:
    """What `decode` gives, quicker for a block whose only link is `previous`."""
    value = decode_with_one_link(block, "previous") if type(block) is bytes else None
    if value is None:
        return decode(block)
    if type(value.get("previous")) is bytes:
        value["previous"] = Cid(value["previous"])
    return value


def _read_quickly(value: dict[str, Any]) -> Event | None:
    """The event, or None where the slow checks must decide."""
    aggregate = find_aggregate(value)
    if aggregate is None or not is_well_formed(value):
        return None
    time, scope = find_time(value["time"]), _SCOPES.get(value["scope"])
    if time is None or scope is None:
        return None
    return Event(
        aggregate=aggregate,
        version=value["version"],
        type=value["type"],
        schema=value["schema"],
        id=value["id"],
        time=time,
        actor=value["actor"],
        correlation=value["correlation"],
        causation=value["causation"],
        scope=scope,
        previous=value["previous"],
        payload=value["payload"],
        metadata=value["metadata"],
    )


def _from_fields(value: dict[str, Value]) -> Event:
    aggregate = value["aggregate"]
    if not isinstance(aggregate, dict) or aggregate.keys() != {"context", "type", "id"}:
        raise InvalidEvent("its aggregate is not {context, type, id}.")
    fields = cast("dict[str, str]", aggregate)
    return Event(
        aggregate=AggregateRef(fields["context"], fields["type"], fields["id"]),
        version=cast(int, value["version"]),
        type=cast(str, value["type"]),
        schema=cast(int, value["schema"]),
        id=cast(str, value["id"]),
        time=parse_time(cast(str, value["time"])),
        actor=cast(str, value["actor"]),
        correlation=cast(str, value["correlation"]),
        causation=cast("str | None", value["causation"]),
        scope=Scope(cast(str, value["scope"])),
        previous=cast("Cid | None", value["previous"]),
        payload=cast("dict[str, Value]", value["payload"]),
        metadata=cast("dict[str, Value]", value["metadata"]),
    )


def _check(event: Event) -> None:
    check_token(event.type, "an event type")
    for name, number in (("version", event.version), ("schema", event.schema)):
        if type(number) is not int or not 1 <= number <= MAX_VERSION:
            raise InvalidEvent(f"The event's {name} is {number!r}; it must be a whole number from 1.")
    check_uuid(event.id, "The event's id")
    check_uuid(event.correlation, "The event's correlation")
    if event.causation is not None:
        check_uuid(event.causation, "The event's causation")
    if type(event.actor) is not str or not event.actor:
        raise InvalidEvent(f"The event's actor is {event.actor!r}; say who caused it.")
    if not isinstance(event.payload, dict) or not isinstance(event.metadata, dict):
        raise InvalidEvent("The event's payload and metadata must be maps.")
    _check_previous(event)


def _check_previous(event: Event) -> None:
    if event.previous is None:
        if event.version != 1:
            raise InvalidEvent(f"Version {event.version} has no link to the version before it; only version 1 may lack it.")
    elif type(event.previous) is not Cid or not is_ours(event.previous.raw):
        raise InvalidEvent(f"The event's previous is {event.previous!r}; it must be the CID of an event block.")
    elif event.version == 1:
        raise InvalidEvent("Version 1 links to an earlier event; the first version has none.")


def _describe_fields(value: Value) -> str:
    if not isinstance(value, dict):
        return f"The block holds a {type(value).__name__}, not the map of an event."
    missing = sorted(_FIELDS - value.keys())
    unknown = sorted(value.keys() - _FIELDS)
    parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"holds the unknown {', '.join(unknown)[:200]}"] * bool(unknown)
    return f"The block is a map but not an event: it {' and '.join(parts)}."
