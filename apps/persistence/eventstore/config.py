"""This module is an event store as a settings file describes it: its stream, how long events stay, its limits, and its snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from ..errors import InvalidInput
from ..events import AggregateDefinition
from ..store import Connection, EventStreamConfig, Layout, Store, StreamInfo, ensure_declared
from .cache import EventCache
from .checking import OnRead
from .jetstream import JetStreamEventStore


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStoreConfig:
    """What `[event_store]` of a settings file may say. None: without that limit. Raises InvalidInput.

    `retention_days` lets events go after that time, their aggregates' versions with them; by default they stay. `snapshot_threshold` takes
    a snapshot whenever an aggregate has so many more events.
    """

    stream_name: str = "CIM-EVENTS"
    subject_root: str = "cim.events"
    layout: Literal["versioned", "flat"] = "versioned"
    retention_days: int | None = None
    max_events_per_aggregate: int | None = 10_000
    snapshot_threshold: int | None = 100
    cache_size: int = 1000
    on_read: OnRead = OnRead.STRICT
    replicas: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_events_per_aggregate", "snapshot_threshold"):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < 1):
                raise InvalidInput(f"{name} is {number!r}; it is a whole number from 1 on, or left out.")
        if type(self.cache_size) is not int or self.cache_size < 0:
            raise InvalidInput(f"cache_size is {self.cache_size!r}; it is a whole number, and 0 keeps nothing.")
        if self.layout not in ("versioned", "flat"):
            raise InvalidInput(f"layout is {self.layout!r}; it is versioned or flat.")
        self.stream()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> EventStoreConfig:
        """From a table of a settings file. Raises InvalidInput naming what it does not know or cannot use."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(given.keys() - known)
        if unknown:
            raise InvalidInput(f"The event store has no setting {unknown[0]!r}; it has {', '.join(sorted(known))}.")
        values = dict(given)
        if "on_read" in values and values["on_read"] not in set(OnRead):
            raise InvalidInput(f"on_read is {values['on_read']!r}; it is {', '.join(OnRead)}.")
        return cls(**(values | ({"on_read": OnRead(values["on_read"])} if "on_read" in values else {})))

    def to_layout(self) -> Layout:
        """Where the events lie."""
        return Layout(stream=self.stream_name, root=self.subject_root, kind=self.layout, max_events=self.max_events_per_aggregate)

    def stream(self) -> EventStreamConfig:
        """The stream as it is declared."""
        return EventStreamConfig.of(self.to_layout(), retention_days=self.retention_days, replicas=self.replicas)


async def ensure_event_store(connection: Connection, config: EventStoreConfig) -> StreamInfo:
    """The stream of the event store, created where it is missing; `drift_of` says where one that is there differs."""
    return await ensure_declared(connection, config.stream())


def configured(store: Store, config: EventStoreConfig, definitions: Iterable[AggregateDefinition] = ()) -> JetStreamEventStore:
    """The event store that `config` describes. Of the types in `definitions` snapshots are taken by themselves."""
    return JetStreamEventStore(
        store=store.on(config.to_layout()),
        cache=EventCache(size=config.cache_size),
        on_read=config.on_read,
        definitions={definition.key: definition for definition in definitions},
        snapshot_threshold=config.snapshot_threshold,
    )
