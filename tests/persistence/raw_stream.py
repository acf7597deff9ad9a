"""This module is streams that anybody may write to, for tests of what verification finds: true events, and messages that are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

from apps.persistence.chain import Cause, Finding, Verdict
from apps.persistence.encoding import Cid, Value, cid_of
from apps.persistence.events import AggregateRef, Event, Scope, new_id, now
from apps.persistence.store import Layout, Outgoing, Store, ensure_stream, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer

DUPLICATE_SECONDS = 0.1
"""The shortest time that a server can be told to remember ids."""

ORDER = AggregateRef("sales", "order", "o1")
OTHER = AggregateRef("sales", "order", "o2")
THIRD = AggregateRef("people", "person", "p1")


def make_event(ref: AggregateRef, version: int, previous: Cid | None, payload: Mapping[str, Value] | None = None) -> Event:
    return Event(
        aggregate=ref,
        version=version,
        type="item_added",
        schema=1,
        id=new_id(),
        time=now(),
        actor="web",
        correlation=new_id(),
        causation=None,
        scope=Scope.CLUSTER,
        previous=previous,
        payload={"version": version} if payload is None else dict(payload),
        metadata={},
    )


def make_chain(ref: AggregateRef, count: int) -> list[Event]:
    """Versions 1 to `count`, each linking to the one before it."""
    events: list[Event] = []
    previous: Cid | None = None
    for version in range(1, count + 1):
        events.append(make_event(ref, version, previous))
        previous = cid_of(events[-1].to_block())
    return events


def interleave(*chains: list[Event]) -> list[Event]:
    """The events of several chains of one length in turn, as they would lie in a stream."""
    return [event for step in zip(*chains, strict=True) for event in step]


def outgoing(layout: Layout, event: Event) -> Outgoing:
    """The message that the store would write."""
    block = event.to_block()
    return Outgoing(layout.subject(event), block, {"Nats-Msg-Id": str(cid_of(block))})


def with_bytes(message: Outgoing, block: bytes) -> Outgoing:
    """The same subject and id over other content."""
    return message._replace(data=block)


def renamed(message: Outgoing) -> Outgoing:
    """The same message with the id of what it now holds."""
    return message._replace(headers={"Nats-Msg-Id": str(cid_of(message.data))})


def edited(event: Event) -> bytes:
    """The block of this event with another payload."""
    return replace(event, payload={"forged": True}).to_block()


def three_chains() -> list[Event]:
    """Eight events each of ORDER, OTHER and THIRD in turn: version v of ORDER lies at sequence 3 * v - 2."""
    return interleave(make_chain(ORDER, 8), make_chain(OTHER, 8), make_chain(THIRD, 8))


def facts(verdict: Verdict) -> list[tuple[Cause, AggregateRef | None, int | None, int | None]]:
    """Cause, aggregate, version and sequence of each finding."""
    return [(found.cause, found.aggregate, found.version, found.sequence) for found in verdict.findings]


def only(verdict: Verdict) -> Finding:
    """The one finding there is."""
    assert len(verdict.findings) == 1, verdict.findings
    return verdict.findings[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawStream:
    """A stream of its own whose messages can be written and deleted by anyone."""

    store: Store

    @property
    def layout(self) -> Layout:
        return self.store.layout

    async def put(self, *messages: Outgoing) -> list[int]:
        """Store messages as they are, and return their sequences."""
        return [await self._put(message) for message in messages]

    async def write(self, *events: Event) -> list[int]:
        """Store events as the store would write them."""
        return await self.put(*(outgoing(self.layout, event) for event in events))

    async def _put(self, message: Outgoing) -> int:
        """Store one message, also where the server has just seen its id: it forgets ids after DUPLICATE_SECONDS."""
        for _ in range(100):
            ack = await store_message(self.store.connection, message)
            if not ack.duplicate:
                return ack.sequence
            await asyncio.sleep(DUPLICATE_SECONDS / 2)
        raise AssertionError(f"The server still takes {message.subject} for a duplicate.")

    async def delete(self, sequence: int) -> None:
        await self.store.connection.api(f"STREAM.MSG.DELETE.{self.layout.stream}", {"seq": sequence})

    async def forbid_direct_get(self) -> None:
        """Have the server answer single messages through the stream's leader alone."""
        info = await self.store.connection.api(f"STREAM.INFO.{self.layout.stream}")
        await self.store.connection.api(f"STREAM.UPDATE.{self.layout.stream}", info["config"] | {"allow_direct": False})


@asynccontextmanager
async def open_raw_stream(server: EmbeddedServer) -> AsyncIterator[RawStream]:
    """A stream for one test, removed after it."""
    async with open_store(server.settings("worker")) as store:
        raw = await create_raw_stream(store)
        try:
            yield raw
        finally:
            await store.connection.api(f"STREAM.DELETE.{raw.layout.stream}")


async def create_raw_stream(store: Store) -> RawStream:
    """A new empty stream without denials, whose duplicate detection is as good as off."""
    name = uuid4().hex[:12]
    layout = Layout(stream=f"RAW-{name}", root=f"raw-{name}")
    await ensure_stream(
        store.connection,
        {
            "name": layout.stream,
            "subjects": [layout.subjects],
            "storage": "memory",
            "allow_direct": True,
            "allow_atomic": True,
            "duplicate_window": int(DUPLICATE_SECONDS * 1_000_000_000),
        },
    )
    return RawStream(store=store.on(layout))
