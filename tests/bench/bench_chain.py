"""This module is the measure of verification: events verified in a second on one core, without and with reading them from a server."""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from dataclasses import dataclass

from apps.persistence.chain import verify_stream
from apps.persistence.chain.tips import Tips
from apps.persistence.chain.walk import Walk
from apps.persistence.encoding import Cid, Value, cid_of
from apps.persistence.events import AggregateRef, Event, Scope, new_id, now
from apps.persistence.store import EVENTS, Message, Outgoing, Store, ensure_event_stream, open_reader, open_store, store_batch
from apps.persistence.store.embedded import EmbeddedServer

EVENTS_MADE = 50_000
EVENTS_OF_EACH = 10
AT_ONCE = 500
ROUNDS = 5
WALK_WANTED = 50_000
STREAM_WANTED = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure: the median of the rounds. `read_per_second` is what reading alone came to in the same rounds, where reading is in it."""

    what: str
    per_second: int
    wanted_per_second: int
    read_per_second: int | None = None

    @property
    def is_met(self) -> bool:
        return self.per_second >= self.wanted_per_second


def main() -> list[Row]:
    messages = make_messages()
    rows = [measure_walk(messages), asyncio.run(measure_stream(messages))]
    for row in rows:
        beside = f" (reading alone: {row.read_per_second:,})" if row.read_per_second else ""
        print(f"{row.per_second:>10,} a second  {row.what}{beside}  wanted {row.wanted_per_second:,}: {'met' if row.is_met else 'MISSED'}")
    return rows


def make_messages() -> list[Message]:
    """Aggregates of ten events each, a hundred aggregates at a time in turn, as they would lie in a stream."""
    messages: list[Message] = []
    heads: dict[AggregateRef, tuple[int, Cid | None]] = {}
    payload: dict[str, Value] = {f"field_{index}": f"value {index:05}" if index % 2 else index * 1_000 for index in range(8)}
    for group in range(EVENTS_MADE // (100 * EVENTS_OF_EACH)):
        refs = [AggregateRef("sales", "order", f"{group:05}-{number:03}") for number in range(100)]
        for ref in refs * EVENTS_OF_EACH:
            version, previous = heads.get(ref, (0, None))
            message = _make_message(ref, version + 1, previous, payload, sequence=len(messages) + 1)
            heads[ref] = (version + 1, cid_of(message.data))
            messages.append(message)
    return messages


def measure_walk(messages: list[Message]) -> Row:
    """Hash, strict decode, event, link and subject, in CPU time, of messages that are already here."""
    rates = []
    for _ in range(ROUNDS):
        gc.collect()
        gc.freeze()
        start = time.process_time()
        with Tips() as tips:
            walk = Walk(EVENTS, tips, gaps_from=1, knows_start=True)
            for first in range(0, len(messages), AT_ONCE):
                walk.walk(walk.look(messages[first : first + AT_ONCE]))
        rates.append(len(messages) / (time.process_time() - start))
        assert walk.findings.count == 0
    return Row(what="events verified, already read, one core", per_second=round(statistics.median(rates)), wanted_per_second=WALK_WANTED)


async def measure_stream(messages: list[Message]) -> Row:
    """The same with reading from a server on this machine, by the clock."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(folder) as server:
        async with open_store(server.settings("worker")) as store:
            await _fill(store, messages)
            rates, read_rates = [], []
            for _ in range(ROUNDS):
                read_rates.append(await _read_all(store))
                verdict = await verify_stream(store)
                assert verdict.intact
                assert verdict.checked == len(messages)
                rates.append(verdict.rate)
    return Row(
        what="events of a stream read and verified, one worker",
        per_second=round(statistics.median(rates)),
        wanted_per_second=STREAM_WANTED,
        read_per_second=round(statistics.median(read_rates)),
    )


def _make_message(ref: AggregateRef, version: int, previous: Cid | None, payload: dict[str, Value], *, sequence: int) -> Message:
    event = Event(
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
        payload=payload,
        metadata={},
    )
    block = event.to_block()
    headers = f"NATS/1.0\r\nNats-Msg-Id: {cid_of(block)}\r\n\r\n".encode()
    return Message(EVENTS.stream, EVENTS.subject(event), sequence, time.time_ns(), headers, block)


async def _fill(store: Store, messages: list[Message]) -> None:
    await ensure_event_stream(store.connection, EVENTS)
    for first in range(0, len(messages), 1000):
        await store_batch(
            store.connection, [Outgoing(message.subject, message.data, message.headers) for message in messages[first : first + 1000]]
        )


async def _read_all(store: Store) -> float:
    start, count = time.perf_counter(), 0
    async with open_reader(store.connection, EVENTS.stream) as reader:
        async for batch in reader:
            count += len(batch)
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
