"""This module is the reader of whole streams: in order, fast, and never skipping a message without noticing.

A short-lived push consumer without acknowledgements sends; flow control keeps the server from running ahead of the reader; each message
carries the consumer's own count, and a gap in it, a missed heartbeat or a broken link make the reader start again after the last
message it handed out. Only workers use it: a page never creates a consumer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from nats.aio.subscription import Subscription

from ..errors import ContinuityLost, NotFound, ServerRefused, Unavailable
from .client import parse_headers
from .connection import Connection
from .message import Message
from .streams import get_stream

HEARTBEAT_SECONDS = 1
SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
MAX_RESTARTS = 20
_PLAIN_ACK_TOKENS = 9  # $JS.ACK.stream.consumer.delivered.sseq.cseq.time.pending; with a domain two more stand before the stream


class StreamReader:
    """Reads from `from_sequence` to `to_sequence`. Made by `open_reader`; iterate it for lists of messages in stream order."""

    def __init__(
        self, connection: Connection, stream: str, *, from_sequence: int, to_sequence: int, patterns: Sequence[str], batch_size: int
    ) -> None:
        self.position = from_sequence - 1
        self.to_sequence = to_sequence
        self._connection = connection
        self._stream = stream
        self._patterns = list(patterns)
        self._batch_size = batch_size
        self._buffer: list[Message] = []
        self._owed: list[str] = []
        self._wake = asyncio.Event()
        self._subscription: Subscription | None = None
        self._consumer = ""
        self._expected = 1
        self._is_broken = False
        self._is_last_seen = from_sequence > to_sequence
        self._restarts = 0

    def __aiter__(self) -> AsyncIterator[list[Message]]:
        return self

    async def __anext__(self) -> list[Message]:
        while not self._buffer:
            if self._is_last_seen:
                raise StopAsyncIteration
            await self._receive()
        batch, self._buffer = self._buffer, []
        if batch[-1].sequence > self.to_sequence:
            batch = [message for message in batch if message.sequence <= self.to_sequence]
            self._is_last_seen = True
            if not batch:
                raise StopAsyncIteration
        self.position = batch[-1].sequence
        self._is_last_seen = self._is_last_seen or self.position >= self.to_sequence
        self._restarts = 0
        return batch

    async def _receive(self) -> None:
        if self._subscription is None or self._is_broken:
            await self._restart()
            return
        if not await self._answer_flow_control():
            return
        self._wake.clear()
        if self._buffer or self._is_broken or self._is_last_seen:
            return
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            self._is_broken = True

    async def _answer_flow_control(self) -> bool:
        """Tell the server that it may send more; False where the link is broken."""
        try:
            while self._owed:
                await self._connection.publish(self._owed.pop())
        except Unavailable:
            self._is_broken = True
        return not self._is_broken

    async def _restart(self) -> None:
        """Make a new consumer that begins after the last message handed out."""
        await self.stop()
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            raise ContinuityLost(f"{self._stream} could not be read past sequence {self.position:,} in {MAX_RESTARTS} tries.")
        try:
            await self._start()
        except Unavailable:
            if self._restarts >= MAX_RESTARTS:
                raise
            await asyncio.sleep(min(0.1 * 2**self._restarts, 2.0))
            self._is_broken = True

    async def _start(self) -> None:
        self._buffer, self._owed, self._expected, self._is_broken = [], [], 1, False
        inbox = self._connection.new_inbox()
        self._subscription = await self._connection.subscribe_raw(inbox, self._on_message)
        config = {
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(1, self.position + 1),
            "ack_policy": "none",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "flow_control": True,
            "idle_heartbeat": HEARTBEAT_SECONDS * 1_000_000_000,
            "inactive_threshold": 30_000_000_000,
        }
        if self._patterns:
            config["filter_subjects"] = self._patterns
        answer = await self._connection.api(
            f"CONSUMER.CREATE.{self._stream}", {"stream_name": self._stream, "config": config}, stream=self._stream
        )
        self._consumer = answer["name"]
        if answer.get("num_pending", 0) == 0 and answer["delivered"]["consumer_seq"] == 0:
            self._is_last_seen = True

    async def stop(self) -> None:
        """Delete the consumer and end the subscription; what the server does not hear it forgets by itself after 30 s."""
        if self._subscription is not None:
            await self._connection.unsubscribe_raw(self._subscription)
            self._subscription = None
        if self._consumer:
            consumer, self._consumer = self._consumer, ""
            try:
                await self._connection.api(f"CONSUMER.DELETE.{self._stream}.{consumer}", stream=self._stream, timeout=2)
            except (Unavailable, NotFound, ServerRefused):
                return  # a restarted server has already forgotten it

    def _on_message(self, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if headers and headers[8:9] == b" ":
            self._on_status(reply, headers)
            return
        tokens = reply.split(b".")
        start = 5 if len(tokens) == _PLAIN_ACK_TOKENS else 7
        if int(tokens[start + 1]) != self._expected:
            self._is_broken = True
        if not self._is_broken:
            self._expected += 1
            self._buffer.append(Message(self._stream, subject.decode(), int(tokens[start]), int(tokens[start + 2]), headers or b"", data))
            if tokens[start + 3] == b"0":
                self._is_last_seen = True
        if self._is_last_seen or self._is_broken or len(self._buffer) >= self._batch_size:
            self._wake.set()

    def _on_status(self, reply: bytes, raw: bytes) -> None:
        headers = parse_headers(raw)
        owed = reply.decode() or headers.get("Nats-Consumer-Stalled", "")
        if owed:
            self._owed.append(owed)
        if int(headers.get("Nats-Last-Consumer", 0)) >= self._expected:
            self._is_broken = True
        if headers.get("Status") in ("404", "409"):
            self._is_broken = True
        self._wake.set()


@asynccontextmanager
async def open_reader(
    connection: Connection,
    stream: str,
    *,
    from_sequence: int = 1,
    to_sequence: int | None = None,
    patterns: Sequence[str] = (),
    batch_size: int = 500,
) -> AsyncIterator[StreamReader]:
    """Read `stream` in order, from one sequence to another (default: what is the last one now), only subjects that match `patterns`.

    Iterating gives non-empty lists of messages. Raises StreamNotFound, ContinuityLost, or Unavailable when the server stays away.
    """
    info = await get_stream(connection, stream)
    first = max(from_sequence, info.first_sequence)
    last = info.last_sequence if to_sequence is None else min(to_sequence, info.last_sequence)
    reader = StreamReader(
        connection, stream, from_sequence=first, to_sequence=last if info.messages else 0, patterns=patterns, batch_size=batch_size
    )
    try:
        yield reader
    finally:
        await reader.stop()
