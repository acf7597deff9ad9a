"""This module is what is live on the aggregates pages: events after the version that a page knows, and what a command caused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from apps.domain.cqrs.acknowledged import ack_subject
from apps.live.frames import Frame, render
from apps.live.sources import source
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef
from apps.persistence.events.identity import check_uuid
from apps.persistence.store import CoreMessage, Store, get_last, subjects_matching
from apps.persistence.work.commands import notice_subject
from apps.registry import informed, layout_for

from .address import address_of
from .sent import Caused, read_caused, read_sent

LOOK_SECONDS = 5.0
REST_SECONDS = 0.25
_ARGUMENT = re.compile(r"([^/]*)/([^/@]+)@(\d{1,18})", re.ASCII)
_ANNOUNCED = "cim."
"""Whoever serves pages may listen to subjects under this root; events elsewhere are looked for every LOOK_SECONDS."""


@source("aggregate", permission="aggregates.view")
async def aggregate(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """`STREAM/context.type.id@version`: the events after `version`, counted."""
    found = _ARGUMENT.fullmatch(argument)
    if found is None:
        raise InvalidInput(f"{argument[:80]!r} names no aggregate and version.")
    stream, ref, known = found[1], AggregateRef.parse(found[2]), int(found[3])
    store = informed(store).on(layout_for(ref, stream))
    address = address_of(ref, "" if layout_for(ref, "").stream == stream else stream)
    async with _announcements(store, ref) as announced:
        while True:
            announced.clear()
            count = max(0, await _newest(store, ref) - known)
            yield [render("aggregates/_newer.html", id="newer", count=count, address=address)]
            await asyncio.sleep(REST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await announced.wait()


@source("sent", permission="aggregates.view")
async def sent(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """`context.type.id/command`: the answer to a command, and the events of its story in whatever aggregate, as they come."""
    name, _, command_id = argument.partition("/")
    ref, heard, woken = AggregateRef.parse(name), list[Caused](), asyncio.Event()
    check_uuid(command_id, "The command's id")

    def hear(message: CoreMessage) -> None:
        if (caused := read_caused(message.data, command_id)) is not None:
            heard.append(caused)
            woken.set()

    events = informed(store).on(layout_for(ref)).layout.subjects
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(store.connection.subscribe(events, hear))
        for subject in (ack_subject(command_id), notice_subject(command_id)):
            await stack.enter_async_context(store.connection.subscribe(subject, lambda _message: woken.set()))
        while True:
            woken.clear()
            found = (await read_sent(store, ref, command_id)).with_more(heard)
            yield [render(f"aggregates/_sent_{part}.html", id=f"sent-{part}", sent=found) for part in ("state", "events")]
            await asyncio.sleep(REST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await woken.wait()


@asynccontextmanager
async def _announcements(store: Store, ref: AggregateRef) -> AsyncIterator[asyncio.Event]:
    """Set whenever an event of the aggregate flies by. One that is missed is found at the next look."""
    announced, pattern = asyncio.Event(), store.layout.all_of(ref)
    if not pattern.startswith(_ANNOUNCED):
        yield announced
        return
    async with store.connection.subscribe(pattern, lambda _message: announced.set()):
        yield announced


async def _newest(store: Store, ref: AggregateRef) -> int:
    pattern, stream = store.layout.all_of(ref), store.layout.stream
    if not store.layout.is_chained:
        return sum((await subjects_matching(store.connection, stream, pattern)).values())
    message = await get_last(store.connection, stream, pattern)
    parts = store.layout.parse(message.subject) if message else None
    return (parts.version or 0) if parts else 0
