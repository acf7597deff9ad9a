"""This module is claims: work items that several workers share through one durable consumer, each held by one worker at a time.

A claim is an unacknowledged message. Whoever holds it says so again and again (`touch`); if it falls silent, the server gives the
message to another. Nothing is lost by a killed worker, a broken link or a restarted server: the worst is that work is done twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..errors import ServerRefused, Unavailable
from ..store import Connection, CoreMessage, Message

PULL_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_PLAIN_ACK_TOKENS = 9


@dataclass(frozen=True, slots=True)
class Claim:
    """One work item in hand. `deliveries` counts how often it was given to some worker, this time included."""

    connection: Connection
    message: Message
    reply: str
    deliveries: int

    async def touch(self) -> None:
        """Say that it is still being worked on."""
        await self.connection.publish(self.reply, b"+WPI")

    async def done(self) -> None:
        """It is done for good; waits for the server's word. Raises Unavailable, then it may be given out once more."""
        await self.connection.request(self.reply, b"+ACK")

    async def later(self, seconds: float) -> None:
        """Give it back, to be given out again after `seconds`."""
        await self.connection.publish(self.reply, b"-NAK " + json.dumps({"delay": int(seconds * 1_000_000_000)}).encode())

    async def reject(self) -> None:
        """It can never be done: take it away."""
        await self.connection.request(self.reply, b"+TERM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The durable consumer `consumer` on `stream`: made if it is not there, asked for one item at a time."""

    connection: Connection
    stream: str
    consumer: str
    patterns: Sequence[str] = ()
    claim_seconds: int = 30

    async def ensure_consumer(self) -> None:
        """Make the consumer if it is not there. Raises ServerRefused, StreamNotFound or Unavailable."""
        config: dict[str, object] = {
            "durable_name": self.consumer,
            "ack_policy": "explicit",
            "ack_wait": self.claim_seconds * 1_000_000_000,
            "deliver_policy": "all",
            "max_deliver": -1,
            "max_ack_pending": 1000,
        }
        if self.patterns:
            config["filter_subjects"] = list(self.patterns)
        body = {"stream_name": self.stream, "config": config}
        await self.connection.api(f"CONSUMER.DURABLE.CREATE.{self.stream}.{self.consumer}", body, stream=self.stream)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ClaimQueue]:
        """Begin to take items, for as long as the block lasts."""
        await self.ensure_consumer()
        queue = ClaimQueue(self)
        inbox = self.connection.new_inbox()
        async with self.connection.subscribe(inbox, queue.receive):
            queue.inbox = inbox
            yield queue


class ClaimQueue:
    """Asks for one item at a time and waits for it."""

    def __init__(self, claims: Claims) -> None:
        self.inbox = ""
        self._claims = claims
        self._answers: asyncio.Queue[CoreMessage] = asyncio.Queue()
        self._asked_until = 0.0

    def receive(self, message: CoreMessage) -> None:
        """An item, or the server's word that there is none."""
        self._answers.put_nowait(message)

    async def next(self) -> Claim:
        """The next item, however long it takes. Outlives a server that goes away and comes back."""
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() >= self._asked_until and not await self._ask():
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                async with asyncio.timeout_at(self._asked_until):
                    answer = await self._answers.get()
            except TimeoutError:
                continue
            if answer.reply.startswith("$JS.ACK."):
                self._asked_until = 0.0
                return self._to_claim(answer)
            if answer.raw_headers[9:12] in (b"404", b"408", b"409", b"503"):
                self._asked_until = 0.0
                await asyncio.sleep(0 if answer.raw_headers[9:12] == b"408" else _RETRY_SECONDS)

    async def _ask(self) -> bool:
        claims = self._claims
        body = json.dumps({"batch": 1, "expires": int(PULL_SECONDS * 1_000_000_000)}).encode()
        subject = f"{claims.connection.settings.api_root}.CONSUMER.MSG.NEXT.{claims.stream}.{claims.consumer}"
        try:
            if not claims.connection.is_connected:
                return False
            await claims.connection.publish(subject, body, reply=self.inbox)
        except (Unavailable, ServerRefused):
            return False
        self._asked_until = asyncio.get_running_loop().time() + PULL_SECONDS + 1
        return True

    def _to_claim(self, answer: CoreMessage) -> Claim:
        tokens = answer.reply.split(".")
        start = 4 if len(tokens) == _PLAIN_ACK_TOKENS else 6
        deliveries, sequence, _, time_ns = (int(token) for token in tokens[start : start + 4])
        message = Message(self._claims.stream, answer.subject, sequence, time_ns, answer.raw_headers, answer.data)
        return Claim(self._claims.connection, message, answer.reply, deliveries)
