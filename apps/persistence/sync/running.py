"""This module is a link at work: up with what happened here, down with what other nodes said, for as long as the worker lives.

Without the server above everything here goes on: events are appended to this node's own stream, projections follow, and what was not
sent waits there. The link tries again, ever more slowly up to half a minute, and goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import InvalidInput, PersistenceError, Unavailable
from ..events import now
from ..events.identity import format_time, parse_time
from ..store import Connection, ConnectionSettings, EventBlock, Store, kv_get, kv_put, open_connection, read_batch
from .conflicts import merged_of, record_conflicts
from .gathered import GATHERED_STREAM, ensure_gathered, gather, layout_of, node_of
from .link import SYNC_BUCKET, Link, ensure_sync, pass_on
from .merge import ConflictRule

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
LOOK_SECONDS = 1.0
_PAGE = 500

RuleOf = Callable[[str, str], ConflictRule]
"""The rule for an aggregate's context and type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """Whether the link is up, since when, and what is in its way otherwise."""

    is_connected: bool
    since: datetime
    trouble: str = ""


def keep_all(_context: str, _type: str) -> ConflictRule:
    """The rule where a domain says none: every event counts, in the order of the writers' times."""
    return ConflictRule.KEEP_ALL


async def run_link(store: Store, link: Link, above: ConnectionSettings, stop: asyncio.Event, *, rule_of: RuleOf = keep_all) -> None:
    """Run until `stop`. What is wrong for good is kept as the link's trouble and tried again at the longest pause."""
    await ensure_sync(store.connection)
    await ensure_gathered(store.connection)
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        try:
            async with open_connection(above) as target:
                await ensure_gathered(target)
                await write_status(store.connection, link, LinkStatus(is_connected=True, since=now()))
                pause = FIRST_PAUSE_SECONDS
                await _exchange(store, link, target, stop, rule_of)
        except PersistenceError as error:
            pause = pause if isinstance(error, Unavailable) else LONGEST_PAUSE_SECONDS
            await _note_trouble(store.connection, link, str(error))
        pause = await _rest(stop, pause)


async def _exchange(store: Store, link: Link, target: Connection, stop: asyncio.Event, rule_of: RuleOf) -> None:
    """Pass by pass while the link is up; what comes is heard of at once, what waits for its time is looked at each second."""
    woken = asyncio.Event()
    gathered = store.on(layout_of(link.node))
    has_just_connected = True
    async with (
        store.connection.subscribe(store.layout.subjects, lambda _: woken.set()),
        target.subscribe("cim.gathered.>", lambda _: woken.set()),
    ):
        while not stop.is_set():
            woken.clear()
            has_more = False
            for source in (store, gathered):
                passed = await pass_on(link, source, target, has_just_connected=has_just_connected)
                has_more = has_more or passed.has_more
            has_more = await bring_down(link, target, store, rule_of=rule_of) == _PAGE or has_more
            has_just_connected = has_just_connected and has_more
            if not has_more:
                await _wait(woken, stop)


async def bring_down(link: Link, above: Connection, store: Store, *, rule_of: RuleOf = keep_all) -> int:
    """Copy what other nodes sent to the server above, at most 500 events; how many were read. Conflicts with this node are recorded."""
    key = f"{link.name}.down"
    entry = await kv_get(store.connection, SYNC_BUCKET, key)
    position = cast(int, cast("dict[str, Value]", decode(entry.value))["position"]) if entry else 0
    batch = await read_batch(above, GATHERED_STREAM, from_sequence=position + 1, limit=_PAGE)
    if not batch.messages:
        return 0
    touched = set()
    for message in batch.messages:
        node = node_of(message.subject)
        if node != link.node:
            block = EventBlock.read(message.data)
            await gather(store.connection, node, [block])
            touched.add(block.event.aggregate)
    for aggregate in touched:
        merged = await merged_of(store, aggregate, node=link.node, rule=rule_of(aggregate.context, aggregate.type))
        await record_conflicts(store.connection, merged)
    value = encode({"position": batch.messages[-1].sequence})
    await kv_put(store.connection, SYNC_BUCKET, key, value, expected_revision=entry.revision if entry else 0)
    return len(batch.messages)


async def read_status(connection: Connection, link: Link) -> LinkStatus | None:
    """What the link last said of itself; None where it never ran."""
    entry = await kv_get(connection, SYNC_BUCKET, f"{link.name}.status")
    if entry is None:
        return None
    value = cast("dict[str, str]", decode(entry.value))
    return LinkStatus(is_connected=bool(value["is_connected"]), since=parse_time(value["since"]), trouble=value["trouble"])


async def write_status(connection: Connection, link: Link, status: LinkStatus) -> None:
    value: dict[str, Value] = {"is_connected": status.is_connected, "since": format_time(status.since), "trouble": status.trouble}
    await kv_put(connection, SYNC_BUCKET, f"{link.name}.status", encode(value))


async def _note_trouble(connection: Connection, link: Link, trouble: str) -> None:
    """Once for each new trouble; where this node's own server is away, too, it is said the next time."""
    try:
        before = await read_status(connection, link)
        if before is None or before.is_connected or before.trouble != trouble:
            await write_status(connection, link, LinkStatus(is_connected=False, since=now(), trouble=trouble))
    except (Unavailable, InvalidInput):
        return


async def _wait(woken: asyncio.Event, stop: asyncio.Event) -> None:
    """Until something came, the second is over, or the worker stops."""
    waits = [asyncio.ensure_future(event.wait()) for event in (woken, stop)]
    try:
        await asyncio.wait(waits, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _rest(stop: asyncio.Event, pause: float) -> float:
    try:
        async with asyncio.timeout(pause):
            await stop.wait()
    except TimeoutError:
        pass
    return min(pause * 2, LONGEST_PAUSE_SECONDS)
