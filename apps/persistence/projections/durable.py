"""This module is the durable consumer of a build or a router: it hands out new events, and is where lag is read from at all times.

The consumer's own place is never trusted: what counts is the position that its owner stores. So the consumer is set to the position
whenever a runner begins, every few seconds while it catches up by other means, and whenever what arrives is not exactly what comes next.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from nats.aio.subscription import Subscription

from ..errors import ServerRefused
from ..store import Connection, Message, find_consumer
from ..store.api_errors import CONSUMER_NOT_FOUND
from .definition import ProjectionDefinition, bucket_of

PULL_MESSAGES = 1000
PULL_SECONDS = 30
HEARTBEAT_SECONDS = 5
_SILENCE_SECONDS = 2.5 * HEARTBEAT_SECONDS
_ACK_WAIT_SECONDS = 300
_SECOND = 1_000_000_000
_PLAIN_ACK_TOKENS = 9  # $JS.ACK.stream.consumer.delivered.sseq.cseq.time.pending; with a domain two more stand before the stream


class Durable:
    """One durable consumer. `pending` is what it had left when the server last said so."""

    def __init__(self, connection: Connection, name: str, *, stream: str, subjects: Sequence[str]) -> None:
        self.name = name
        self.stream = stream
        self.pending = 0
        self._connection = connection
        self._subjects = subjects

    @classmethod
    def of_build(cls, connection: Connection, definition: ProjectionDefinition, build: int) -> Durable:
        """That of one build of a projection."""
        return cls(connection, bucket_of(definition.name, build), stream=definition.stream, subjects=definition.subjects)

    async def move(self, position: int) -> None:
        """Set the consumer so that the event after `position` comes next, and learn how many there are. Creates it if it is not there.

        Raises StreamNotFound, ServerRefused or Unavailable.
        """
        consumer = await find_consumer(self._connection, self.stream, self.name)
        if consumer is not None and set(consumer.filter_subjects) != set(self._subjects):
            await self.delete()
            consumer = None
        if consumer is None:
            await self._create(position)
        elif self._connection.server.at_least(2, 14):
            await self._reset(position)
        else:
            await self.delete()
            await self._create(position)

    async def delete(self) -> None:
        """Remove the consumer; harmless where there is none."""
        try:
            await self._connection.api(f"CONSUMER.DELETE.{self.stream}.{self.name}", stream=self.stream)
        except ServerRefused as error:
            if error.err_code != CONSUMER_NOT_FOUND:
                raise

    async def _reset(self, position: int) -> None:
        """Move an existing consumer (JetStream API, since nats-server 2.14)."""
        body = {"seq": position + 1}
        answer = await self._connection.api(f"CONSUMER.RESET.{self.stream}.{self.name}", body, stream=self.stream)
        self.pending = answer.get("num_pending", 0)

    async def _create(self, position: int) -> None:
        config: dict[str, Any] = {
            "durable_name": self.name,
            "name": self.name,
            "ack_policy": "all",
            "ack_wait": _ACK_WAIT_SECONDS * _SECOND,
            "max_ack_pending": 10 * PULL_MESSAGES,
            "max_deliver": -1,
            "deliver_policy": "all",
        }
        if self._subjects:
            config["filter_subjects"] = list(self._subjects)
        if not self._connection.server.at_least(2, 14):
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": position + 1}
        body = {"stream_name": self.stream, "config": config}
        answer = await self._connection.api(f"CONSUMER.CREATE.{self.stream}.{self.name}", body, stream=self.stream)
        self.pending = answer.get("num_pending", 0)
        if position and config["deliver_policy"] == "all":
            await self._reset(position)


class Follower:
    """New events of a durable, by pull requests, from `position` on. Made by `follow`.

    `is_broken` once anything but the next event has come, or nothing where something should: move the durable and follow anew.
    """

    def __init__(self, connection: Connection, durable: Durable, position: int) -> None:
        self.is_broken = False
        self.pending = durable.pending
        self._connection = connection
        self._durable = durable
        self._inbox = connection.new_inbox()
        self._buffer: list[Message] = []
        self._wake = asyncio.Event()
        self._received = position
        self._expected = 1
        self._asked = 0
        self._heard_at = time.monotonic()
        self._link_since: datetime | None = None
        self._subscription: Subscription | None = None
        self._last_reply = ""

    async def start(self) -> None:
        self._link_since = self._connection.state.since
        self._subscription = await self._connection.subscribe_raw(self._inbox, self._on_message)

    async def stop(self) -> None:
        if self._subscription is not None:
            await self._connection.unsubscribe_raw(self._subscription)

    async def take(self, *, wait_seconds: float) -> list[Message]:
        """The events that have come; waits up to `wait_seconds` for the first. Raises Unavailable."""
        if not self._buffer and not self.is_broken:
            if self._asked <= 0:
                await self._ask()
            await self._wait(wait_seconds)
        return self.taken_meanwhile()

    def taken_meanwhile(self) -> list[Message]:
        """The events that have come, without waiting."""
        taken, self._buffer = self._buffer, []
        return taken

    async def acknowledge(self) -> None:
        """Everything that was taken is stored. An acknowledgement that is lost only shows a greater lag until the next."""
        if self._last_reply and not self._buffer:
            await self._connection.publish(self._last_reply, b"+ACK")

    async def _ask(self) -> None:
        self._asked = PULL_MESSAGES
        self._heard_at = time.monotonic()
        request = {"batch": PULL_MESSAGES, "expires": PULL_SECONDS * _SECOND, "idle_heartbeat": HEARTBEAT_SECONDS * _SECOND}
        subject = f"{self._connection.settings.api_root}.CONSUMER.MSG.NEXT.{self._durable.stream}.{self._durable.name}"
        await self._connection.publish(subject, json.dumps(request).encode(), reply=self._inbox)

    async def _wait(self, seconds: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            silent_seconds = time.monotonic() - self._heard_at
            self.is_broken = silent_seconds > _SILENCE_SECONDS or self._link_since != self._connection.state.since

    def _on_message(self, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        self._heard_at = time.monotonic()
        if headers and headers[8:9] == b" ":
            self._on_status(headers[9:12])
            return
        tokens = reply.split(b".")
        start = 5 if len(tokens) == _PLAIN_ACK_TOKENS else 7
        sequence = int(tokens[start])
        if int(tokens[start + 1]) != self._expected or sequence <= self._received:
            self.is_broken = True
        if not self.is_broken:
            self._expected += 1
            self._asked -= 1
            self._received = sequence
            self._last_reply = reply.decode()
            self.pending = int(tokens[start + 3])
            self._buffer.append(Message(self._durable.stream, subject.decode(), sequence, int(tokens[start + 2]), headers or b"", data))
        self._wake.set()

    def _on_status(self, status: bytes) -> None:
        """100: a heartbeat. 408: this request has ended, ask again. Anything else (409, 503): the consumer changed or is gone."""
        if status == b"100":
            return
        self._asked = 0
        self.is_broken = self.is_broken or status not in (b"408", b"404")
        self._wake.set()


@asynccontextmanager
async def follow(connection: Connection, durable: Durable, position: int) -> AsyncIterator[Follower]:
    """Take new events from the durable, which was just moved to `position`, for as long as the block lasts."""
    follower = Follower(connection, durable, position)
    await follower.start()
    try:
        yield follower
    finally:
        await follower.stop()
