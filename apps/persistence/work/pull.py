"""This module is a shared pull consumer: messages of a work queue as they come, across broken links and restarted servers.

Several workers take from the same durable consumer; the server hands each message to one of them, and again to any of them if it is
not settled within `ack_wait_seconds` (a worker that was killed settles nothing).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from nats.aio.subscription import Subscription

from ..errors import Unavailable
from ..store import Connection

PULL_SECONDS = 5.0
LOOK_SECONDS = 1.0
_PLAIN_ACK_TOKENS = 9  # $JS.ACK.stream.consumer.delivered.sseq.cseq.time.pending; with a domain two more stand before the stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that this worker must settle; `attempt` counts its deliveries, to any worker, from 1."""

    subject: str
    data: bytes
    raw_headers: bytes
    reply: str
    attempt: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSettings:
    """Which durable consumer, on which stream; `patterns` narrow it to some subjects.

    At most `batch_size` messages are in this worker's hands at once.
    """

    stream: str
    durable: str
    patterns: tuple[str, ...] = ()
    batch_size: int = 32
    ack_wait_seconds: float = 20.0
    max_unsettled: int = 10_000


class PullConsumer:
    """Made by `open_pull`."""

    def __init__(self, connection: Connection, settings: PullSettings) -> None:
        self._connection = connection
        self._settings = settings
        self._inbox = connection.new_inbox()
        self._subscription: Subscription | None = None
        self._buffer: list[Delivery] = []
        self._wake = asyncio.Event()
        self._pull = 0
        self._owed = 0
        self._deadline = 0.0
        self._link_since: datetime | None = None
        self._has_consumer = False

    async def take(self) -> list[Delivery]:
        """What has come; waits up to a second for the first message. Raises Unavailable, NotFound or ServerRefused: ask again."""
        if not self._buffer:
            if not self._is_pulling():
                await self._ask()
            await self._wait()
        taken, self._buffer = self._buffer, []
        return taken

    async def settle(self, delivery: Delivery) -> None:
        """It is done; the message leaves the queue."""
        await self._connection.publish(delivery.reply, b"+ACK")

    async def touch(self, delivery: Delivery) -> None:
        """Say that it is still being worked on, before `ack_wait_seconds` are over."""
        await self._connection.publish(delivery.reply, b"+WPI")

    async def refuse(self, delivery: Delivery, reason: str) -> None:
        """It can never be done; the message leaves the queue, and the server's advisory carries the reason."""
        await self._connection.publish(delivery.reply, b"+TERM " + reason.encode())

    async def put_back(self, delivery: Delivery, *, delay_seconds: float = 0.0) -> None:
        """Have it delivered again, to any worker, after `delay_seconds`."""
        nanoseconds = int(delay_seconds * 1_000_000_000)
        await self._connection.publish(delivery.reply, b"-NAK" + (f' {{"delay": {nanoseconds}}}'.encode() if nanoseconds else b""))

    async def start(self) -> None:
        self._subscription = await self._connection.subscribe_raw(f"{self._inbox}.*", self._on_message)

    async def close(self) -> None:
        """Stop taking; what came and was not taken goes back at once."""
        if self._subscription is not None:
            await self._connection.unsubscribe_raw(self._subscription)
        try:
            while self._buffer:
                await self.put_back(self._buffer.pop())
        except Unavailable:
            return

    def _is_pulling(self) -> bool:
        is_same_link = self._link_since == self._connection.state.since
        return self._owed > 0 and is_same_link and time.monotonic() < self._deadline

    async def _ask(self) -> None:
        """Ask for a batch, after making sure of the consumer where there is doubt."""
        settings = self._settings
        if not self._has_consumer:
            await self._ensure_consumer()
        self._pull += 1
        self._owed, self._deadline = settings.batch_size, time.monotonic() + PULL_SECONDS + LOOK_SECONDS
        self._link_since = self._connection.state.since
        request = {"batch": settings.batch_size, "expires": int(PULL_SECONDS * 1_000_000_000)}
        subject = f"{self._connection.settings.api_root}.CONSUMER.MSG.NEXT.{settings.stream}.{settings.durable}"
        await self._connection.publish(subject, json.dumps(request).encode(), reply=f"{self._inbox}.{self._pull}")

    async def _ensure_consumer(self) -> None:
        settings = self._settings
        config: dict[str, object] = {
            "durable_name": settings.durable,
            "name": settings.durable,
            "ack_policy": "explicit",
            "ack_wait": int(settings.ack_wait_seconds * 1_000_000_000),
            "max_deliver": -1,
            "max_ack_pending": settings.max_unsettled,
        }
        if settings.patterns:
            config["filter_subjects"] = list(settings.patterns)
        body = {"stream_name": settings.stream, "config": config}
        await self._connection.api(f"CONSUMER.CREATE.{settings.stream}.{settings.durable}", body, stream=settings.stream)
        self._has_consumer = True

    async def _wait(self) -> None:
        self._wake.clear()
        if self._buffer:
            return
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    def _on_message(self, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """A message comes under the subject it is stored at, a status under the inbox of its pull."""
        if headers and headers[8:9] == b" ":
            self._on_status(headers[9:12].decode("ascii", "replace"), subject.rpartition(b".")[2].decode())
            return
        tokens = reply.split(b".")
        start = 4 if len(tokens) == _PLAIN_ACK_TOKENS else 6
        self._buffer.append(
            Delivery(
                subject=subject.decode(),
                data=data,
                raw_headers=headers or b"",
                reply=reply.decode(),
                attempt=int(tokens[start]),
                sequence=int(tokens[start + 1]),
            )
        )
        self._owed -= 1
        self._wake.set()

    def _on_status(self, status: str, pull: str) -> None:
        """The pull has ended: its time is over (408), or the consumer is gone or changed (404, 409, 503): then look again in a moment."""
        if pull == str(self._pull):
            self._owed = 0
            self._has_consumer = status == "408"
            if self._has_consumer:
                self._wake.set()


@asynccontextmanager
async def open_pull(connection: Connection, settings: PullSettings) -> AsyncIterator[PullConsumer]:
    """Take from a shared durable consumer for as long as the block lasts; it is created where it is missing."""
    consumer = PullConsumer(connection, settings)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.close()
