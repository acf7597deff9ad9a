"""This module is the generations of a stream: which one takes events and answers readers now, followed within a moment by every process.

A declared layout names the first generation: stream `CIM-EVENTS`, root `cim.events`. Generation 2 is `CIM-EVENTS-2` and `cim.events2`.
One key of the bucket `cim-generations` says which one serves; it changes by compare-and-swap. A generation that does not serve is closed on
the server itself: its stream takes no message of more than one byte, whoever writes, and what is stored stays readable. The server refuses
such messages before storing, so nothing that it acknowledged is ever left behind unseen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from ..encoding import Value, encode
from ..errors import InvalidInput, NotFound, PersistenceError, StreamClosed
from ..events import format_time, now, parse_time
from .connection import Connection
from .kv import KvEntry, kv_all, kv_get, kv_history, kv_put
from .layout import CONSOLE, Layout
from .link import ConnectionState, CoreMessage
from .records import of_type, parse_record
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

    `filling` is the one that a migration is bringing up to date, in the run `run`; after its switch, `run` is who switched. `made` has each
    later one that ever served, with the run that made it. All this is what the bucket says: the operator trail says whether it is so.
    """

    stream: str
    root: str = ""
    serving: int = 1
    last: int = 1
    filling: int | None = None
    run: str = ""
    made: Mapping[int, str] = field(default_factory=dict)
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
    """The layout of the generation that serves; a layout of one certain generation stays as it is, and the trail has only the first."""
    if layout.is_pinned or not layout.is_chained or layout.stream == CONSOLE.stream:
        return layout
    number = serving_number(connection, layout.stream)
    return layout if number == 1 else layout.of_generation(number)


def chained_generations(connection: Connection, layouts: Iterable[Layout]) -> list[Layout]:
    """Each declared chained layout in every generation that serves or was left behind, in the order of their making."""
    found: list[Layout] = []
    for layout in layouts:
        if layout.is_chained:
            numbers = _numbers(known_generations(connection, layout.stream)) if layout.stream != CONSOLE.stream else [1]
            found += [layout.of_generation(number) if len(numbers) > 1 else layout for number in numbers]
    return found


def _numbers(known: Generations) -> list[int]:
    return sorted({1, known.serving, *known.made})


async def read_generations(connection: Connection, stream: str) -> Generations:
    """The generations of a declared stream, from the leader; only the first where it was never migrated. Takes note of which serves.

    Raises InvalidInput where what the bucket holds cannot be read.
    """
    try:
        entry = await kv_get(connection, GENERATIONS_BUCKET, stream, leader=True)
    except NotFound:
        entry = None
    found = _to_generations(entry) if entry else Generations(stream=stream)
    _KNOWN.setdefault(connection, {})[stream] = found
    return found


async def generations_before(connection: Connection, stream: str) -> list[Generations]:
    """The revisions of the record that the bucket still keeps and that can be read, oldest first."""
    found: list[Generations] = []
    with suppress(NotFound):
        for entry in await kv_history(connection, GENERATIONS_BUCKET, stream):
            with suppress(InvalidInput):
                found.append(_to_generations(entry))
    return found


async def write_generations(connection: Connection, after: Generations) -> Generations:
    """Store the record if it is still at the revision that was read. Raises RevisionConflict."""
    value: dict[str, Value] = {
        "root": after.root,
        "serving": after.serving,
        "last": after.last,
        "filling": after.filling,
        "run": after.run,
        "made": [[number, run] for number, run in sorted(after.made.items())],
        "switched_at": format_time(after.switched_at) if after.switched_at else None,
        "switched_by": after.switched_by,
    }
    revision = await kv_put(connection, GENERATIONS_BUCKET, after.stream, encode(value), expected_revision=after.revision)
    stored = replace(after, revision=revision)
    _KNOWN.setdefault(connection, {})[after.stream] = stored
    return stored


async def switch_generation(connection: Connection, before: Generations, number: int, *, by: str) -> Generations:
    """Have another generation serve. Raises RevisionConflict if somebody else changed the record."""
    made = {number: before.run, **before.made} if number > 1 else before.made
    return await write_generations(connection, replace(before, serving=number, filling=None, made=made, switched_at=now(), switched_by=by))


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
        try:
            _KNOWN.setdefault(connection, {})[entry.key] = _to_generations(entry)
        except InvalidInput as error:
            log.warning("%s", error)


async def _limit(connection: Connection, stream: str, size: int) -> None:
    info = await get_stream(connection, stream)
    if info.config.get("max_msg_size") != size:
        await connection.api(f"STREAM.UPDATE.{stream}", {**info.config, "max_msg_size": size}, stream=stream)


def _to_generations(entry: KvEntry) -> Generations:
    def parse(given: Any) -> Generations:
        serving, filling = of_type(given["serving"], int), given.get("filling")
        run, switched_at = str(given.get("run", "")), given.get("switched_at")
        made = {int(number): str(by) for number, by in given["made"]} if "made" in given else _made_before(serving, filling, run)
        if min(serving, *made, 1) < 1:
            raise ValueError("a generation has a number from 1 on")
        return Generations(
            stream=entry.key,
            root=str(given.get("root", "")),
            serving=serving,
            last=int(given.get("last", serving)),
            filling=int(filling) if filling is not None else None,
            run=run,
            made=made,
            switched_at=parse_time(switched_at) if switched_at is not None else None,
            switched_by=str(given.get("switched_by", "")),
            revision=entry.revision,
        )

    return parse_record(entry, parse, remedy="The bucket keeps its revisions; put the last one back that can be read.")


def _made_before(serving: int, filling: int | None, run: str) -> dict[int, str]:
    """What a record says that an older version wrote, which named only the run that switched last."""
    return {serving: run} if serving > 1 and filling is None else {}
