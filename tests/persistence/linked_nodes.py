"""This module is nodes with servers of their own, and what they write, for the tests of links between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.persistence.events import AggregateRef, Event, NewEvent, Scope
from apps.persistence.store import (
    Store,
    append,
    ensure_home,
    head_of,
    open_store,
)
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.sync import (
    IMMEDIATE,
    EventEnvelope,
    Link,
    PropagationPolicy,
    ensure_gathered,
    ensure_sync,
    gathered_of,
)

NOTE = AggregateRef("notes", "note", "n-1")
OTHER = AggregateRef("notes", "note", "n-2")
SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A server of one's own, the store on it, and the link that leads up."""

    server: EmbeddedServer
    store: Store
    link: Link


OpenNode = Callable[[str, Scope], Awaitable[Node]]


@pytest.fixture
async def open_node(tmp_path: Path) -> AsyncIterator[OpenNode]:
    async with AsyncExitStack() as stack:

        async def open_one(name: str, layer: Scope = Scope.CONTAINER) -> Node:
            server = stack.enter_context(EmbeddedServer(tmp_path / name))
            store = await stack.enter_async_context(open_store(server.settings("worker")))
            await ensure_home(store.connection)
            await ensure_sync(store.connection)
            await ensure_gathered(store.connection)
            return Node(server=server, store=store, link=Link(name="up", node=name, layer=layer))

        yield open_one


async def say(
    node: Node, text: str, *, scope: Scope = Scope.CLUSTER, policy: PropagationPolicy = IMMEDIATE, to: AggregateRef = NOTE
) -> Event:
    envelope = EventEnvelope(event=NewEvent(type="written", payload={"text": text}, actor=node.link.node), scope=scope, policy=policy)
    (stored,) = await append(node.store, await head_of(node.store, to), [envelope.to_event()])
    return stored.event


async def texts_above(above: Node, aggregate: AggregateRef = NOTE) -> list[str]:
    return [str(one.stored.event.payload["text"]) for one in await gathered_of(above.store, aggregate)]


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await is_so():  # noqa: ASYNC110  (what is looked at is on other servers)
            await asyncio.sleep(0.05)
