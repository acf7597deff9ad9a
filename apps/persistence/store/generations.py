"""This module is the generations of a stream: which one takes events and answers readers now, followed within a moment by every process.

A declared layout names the first generation: stream `CIM-EVENTS`, root `cim.events`. Generation 2 is `CIM-EVENTS-2` and `cim.events2`.
One key of the bucket `cim-generations` says which one serves; it changes by compare-and-swap. A generation that does not serve is closed on
the server itself: its stream takes no message of more than one byte, whoever writes, and what is stored stays readable. The server refuses
such messages before storing, so nothing that it acknowledged is ever left behind unseen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast
from weakref import WeakKeyDictionary

from ..encoding import Value, decode, encode
from ..errors import NotFound, PersistenceError, StreamClosed
from ..events import format_time, now, parse_time
from .connection import Connection
from .kv import KvEntry, kv_all, kv_get, kv_put
from .layout import Layout
from .link import ConnectionState, CoreMessage
from .streams import get_stream

GENERATIONS_BUCKET = "cim-generations"
CLOSED_SIZE = 1
_ANY_SIZE = -1
_LOOK_SECONDS = 10.0
_SETTLE_SECONDS = 0.02
_SETTLE_TRIES = 25

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generations:
    """The generations of one declared stream. `last` is the highest ever.

    `filling` is the one that a migration is bringing up to date, in the run `run`; after its switch, `run` is who switched.
    """

    stream: str
    root: str = ""
    serving: int = 1
    last: int = 1
    filling: int | None = None
    run: str = ""
    switched_at: datetime | None = None
    switched_by: str = ""
    revision: int = 0


_KNOWN: WeakKeyDictionary[Connection, dict[str, Generations]] = WeakKeyDictionary()


def known_generations(connection: Connection, stream: str) -> Generations:
    """The generations of a declared stream, as far as this process has heard."""
    return _KNOWN.get(connection, {}).get(stream) or Generations(stream=stream)


def serving_number(connection: Connection, stream: str) -> int:
    """Which generation of a declared stream serves, as far as this process has heard."""
    return known_generations(connection, stream).serving


def serving_layout(connection: Connection, layout: Layout) -> Layout:
    """The layout of the generation that serves; a layout of one certain generation stays as it is."""
    if layout.is_pinned or not layout.is_chained:
        return layout
    number = serving_number(connection, layout.stream)
    return layout if number == 1 else layout.of_generation(number)


def chained_generations(connection: Connection, layouts: Iterable[Layout]) -> list[Layout]:
    """Each declared chained layout in every generation that serves or was left behind, in the order of their making."""
    found: list[Layout] = []
    for layout in layouts:
        if layout.is_chained:
            numbers = sorted({1, serving_number(connection, layout.stream)})
            found += [layout.of_generation(number) if len(numbers) > 1 else layout for number in numbers]
    return found


async def read_generations(connection: Connection, stream: str) -> Generations:
    """The generations of a declared stream, from the leader; only the first where it was never migrated. Takes note of which serves."""
    try:
        entry = await kv_get(connection, GENERATIONS_BUCKET, stream, leader=True)
    except NotFound:
        entry = None
    found = _to_generations(entry) if entry else Generations(stream=stream)
    _KNOWN.setdefault(connection, {})[stream] = found
    return found


async def write_generations(connection: Connection, after: Generations) -> Generations:
    """Store the record if it is still at the revision that was read. Raises RevisionConflict."""
    value: dict[str, Value] = {
        "root": after.root,
        "serving": after.serving,
        "last": after.last,
        "filling": after.filling,
        "run": after.run,
        "switched_at": format_time(after.switched_at) if after.switched_at else None,
        "switched_by": after.switched_by,
    }
    revision = await kv_put(connection, GENERATIONS_BUCKET, after.stream, encode(value), expected_revision=after.revision)
    stored = replace(after, revision=revision)
    _KNOWN.setdefault(connection, {})[after.stream] = stored
    return stored


async def switch_generation(connection: Connection, before: Generations, number: int, *, by: str) -> Generations:
    """Have another generation serve. Raises RevisionConflict if somebody else changed the record."""
    return await write_generations(connection, replace(before, serving=number, filling=None, switched_at=now(), switched_by=by))


async def close_stream(connection: Connection, stream: str) -> None:
    """Have the server refuse every further event; what is stored stays readable."""
    await _limit(connection, stream, CLOSED_SIZE)


async def reopen_stream(connection: Connection, stream: str) -> None:
    """Let the stream take events again."""
    await _limit(connection, stream, _ANY_SIZE)


async def is_closed(connection: Connection, stream: str) -> bool:
    """Whether the stream was closed by `close_stream`."""
    return (await get_stream(connection, stream)).config.get("max_msg_size") == CLOSED_SIZE


async def explain_refusal(connection: Connection, layout: Layout) -> StreamClosed | None:
    """Why the server found an event too large: because its stream is closed, or None where it is another limit."""
    if not await is_closed(connection, layout.stream):
        return None
    record = await read_generations(connection, layout.name)
    return StreamClosed(layout.stream, successor=stream_name(layout.name, record.serving) if record.serving != layout.generation else None)


def stream_name(stream: str, number: int) -> str:
    """The stream of generation `number` of a declared stream."""
    return stream if number == 1 else f"{stream}-{number}"


@asynccontextmanager
async def following(connection: Connection) -> AsyncIterator[None]:
    """Know which generations serve, and hear of a switch at once, for as long as the block lasts."""
    woken = asyncio.Event()

    def on_write(message: CoreMessage) -> None:
        woken.set()

    def on_link(state: ConnectionState) -> None:
        woken.set()

    await _look(connection)
    connection.on_change(on_link)
    async with connection.subscribe(f"$KV.{GENERATIONS_BUCKET}.>", on_write):
        task = asyncio.create_task(_follow(connection, woken), name="generations")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


async def _follow(connection: Connection, woken: asyncio.Event) -> None:
    """The message of a write flies by before it is stored, so the record is looked at until it has changed."""
    while True:
        tries = _SETTLE_TRIES
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await woken.wait()
        except TimeoutError:
            tries = 1
        woken.clear()
        before = dict(_KNOWN.get(connection, {}))
        for _ in range(tries):
            await _look(connection)
            if _KNOWN.get(connection, {}) != before:
                break
            await asyncio.sleep(_SETTLE_SECONDS)


async def _look(connection: Connection) -> None:
    """Read all records; where the server is away, lacks JetStream or does not let this user, what was known stays."""
    try:
        entries: Iterable[KvEntry] = await kv_all(connection, GENERATIONS_BUCKET)
    except NotFound:
        return
    except PersistenceError as error:
        log.debug("the generations of streams cannot be read: %s", error)
        return
    for entry in entries:
        _KNOWN.setdefault(connection, {})[entry.key] = _to_generations(entry)


async def _limit(connection: Connection, stream: str, size: int) -> None:
    info = await get_stream(connection, stream)
    if info.config.get("max_msg_size") != size:
        await connection.api(f"STREAM.UPDATE.{stream}", {**info.config, "max_msg_size": size}, stream=stream)


def _to_generations(entry: KvEntry) -> Generations:
    given = cast("dict[str, Value]", decode(entry.value))
    switched_at = given["switched_at"]
    return Generations(
        stream=entry.key,
        root=cast(str, given["root"]),
        serving=cast(int, given["serving"]),
        last=cast(int, given["last"]),
        filling=cast("int | None", given["filling"]),
        run=cast(str, given["run"]),
        switched_at=parse_time(switched_at) if isinstance(switched_at, str) else None,
        switched_by=cast(str, given["switched_by"]),
        revision=entry.revision,
    )
