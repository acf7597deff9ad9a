"""This module is the store: an open connection together with the layout by which its events are found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InvalidInput, ServerRefused, StreamNotFound
from ..events import AggregateRef, Upcasters
from .connection import Connection, open_connection
from .generations import GENERATIONS_BUCKET, following, serving_layout
from .layout import CONSOLE, EVENTS, Layout, find_layout
from .settings import ConnectionSettings
from .stream_config import EventStreamConfig
from .streams import StreamInfo, get_stream, to_stream_info

COMMANDS_STREAM = "CIM-COMMANDS"
AGGREGATES_STREAM = "CIM-AGGREGATES"
_ALREADY_THERE = 10058


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What every function of this package is given. `layouts` are all that are declared; `declared` is the one in use.

    `makes_consumers`: a long history may be read by a consumer that lives as long as that takes.
    """

    connection: Connection
    declared: Layout = EVENTS
    layouts: tuple[Layout, ...] = (EVENTS, CONSOLE)
    upcasters: Upcasters = field(default_factory=Upcasters)
    makes_consumers: bool = True

    @property
    def layout(self) -> Layout:
        """The layout in use, of the generation that serves at this moment."""
        return serving_layout(self.connection, self.declared)

    def on(self, layout: Layout) -> Store:
        """The same connection, reading and writing by another layout."""
        return replace(self, declared=layout)

    def pinned(self) -> Store:
        """This store on the generation that serves now, whatever is switched later."""
        layout = self.layout
        return self if layout.is_pinned or not layout.is_chained else self.on(replace(layout, is_pinned=True))

    def holding(self, aggregate: AggregateRef) -> Store:
        """This store with the declared layout that an aggregate's events belong in, the one that says most. Raises InvalidInput."""
        holding = [layout for layout in self.layouts if layout.takes_events and layout.holds(aggregate)]
        if not holding:
            raise InvalidInput(
                f"No layout holds {aggregate}; there are {', '.join(layout.stream for layout in self.layouts)}. Declare one."
            )
        return self.on(max(holding, key=lambda layout: (layout.aggregate is not None, layout.context is not None)))

    def on_stream(self, stream: str) -> Store | None:
        """This store with the layout of exactly `stream`, or None where no layout describes it."""
        found = find_layout(self.layouts, stream)
        return self.on(found) if found else None


@asynccontextmanager
async def open_store(
    settings: ConnectionSettings,
    *,
    layout: Layout = EVENTS,
    layouts: Sequence[Layout] = (EVENTS, CONSOLE),
    upcasters: Upcasters | None = None,
    makes_consumers: bool = True,
) -> AsyncIterator[Store]:
    """Connect and hand out a store for as long as the block lasts. Creates nothing. Raises as `open_connection`."""
    async with open_connection(settings) as connection, following(connection):
        yield Store(
            connection=connection,
            declared=layout,
            layouts=tuple(layouts),
            upcasters=upcasters or Upcasters(),
            makes_consumers=makes_consumers,
        )


async def ensure_event_stream(connection: Connection, layout: Layout, *, replicas: int = 1) -> StreamInfo:
    """The layout's stream, created if it is not there: on file, without limits, nothing deletable, Direct Get and atomic batches on."""
    return await ensure_stream(connection, EventStreamConfig.of(layout, replicas=replicas).to_config())


async def ensure_home(connection: Connection, *, replicas: int = 1) -> None:
    """Create the console's own streams (events, console, newest states, commands) where they are missing; others are left as they are."""
    await ensure_bucket(connection, GENERATIONS_BUCKET, history=10, replicas=replicas)
    for layout in (EVENTS, CONSOLE):
        await ensure_event_stream(connection, layout, replicas=replicas)
    await ensure_stream(
        connection,
        {
            "name": AGGREGATES_STREAM,
            "subjects": ["cim.aggregates.>"],
            "retention": "limits",
            "storage": "file",
            "max_msgs_per_subject": 1,
            "num_replicas": replicas,
            "allow_direct": True,
            "allow_atomic": True,
        },
    )
    await ensure_stream(
        connection,
        {
            "name": COMMANDS_STREAM,
            "subjects": ["cim.commands.>"],
            "retention": "workqueue",
            "storage": "file",
            "num_replicas": replicas,
            "allow_direct": True,
        },
    )


async def ensure_stream(connection: Connection, config: Mapping[str, Any]) -> StreamInfo:
    """The stream of this name, created with `config` if it is not there. Raises ServerRefused, as when its subjects overlap another's."""
    name = config["name"]
    try:
        return await get_stream(connection, name)
    except StreamNotFound:
        pass
    try:
        return to_stream_info(await connection.api(f"STREAM.CREATE.{name}", config, stream=name))
    except ServerRefused as error:
        if error.err_code != _ALREADY_THERE:
            raise
        return await get_stream(connection, name)


async def ensure_bucket(
    connection: Connection, bucket: str, *, history: int = 1, ttl_seconds: int = 0, replicas: int = 1, allow_key_ttl: bool = False
) -> StreamInfo:
    """The bucket, created if it is not there. `history` keeps up to 64 revisions of a key; `allow_key_ttl` lets single keys expire."""
    return await ensure_stream(
        connection,
        {
            "name": f"KV_{bucket}",
            "subjects": [f"$KV.{bucket}.>"],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_msgs_per_subject": history,
            "max_age": ttl_seconds * 1_000_000_000,
            "num_replicas": replicas,
            "allow_direct": True,
            "allow_atomic": True,
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_msg_ttl": allow_key_ttl,
        },
    )
