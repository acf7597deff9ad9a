"""This module is reading one node's own copy of a stream, event by event, whatever the other nodes hold.

Direct Get cannot do that: any replica answers it, whichever server the client is connected to. But a consumer with one replica lives on one
node of the stream's, reads from that node's own disk, and its information names the node. Which one it is the server decides, so consumers
are made until one lies where it should. Each is in memory, acknowledges nothing, and is deleted afterwards.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.subscription import Subscription

from ..encoding import cid_of
from ..errors import NotFound, ServerRefused, Unavailable
from ..log.leaves import leaf_bytes
from ..store import Connection

TRIES = 60
PULL_MESSAGES = 500
BEHIND_SECONDS = 3.0
"""So long a node that has nothing more may still be about to get what others have."""
ANSWER_SECONDS = 5.0
_IDLE_NANOSECONDS = 60_000_000_000
_PLAIN_ACK_TOKENS = 9  # $JS.ACK.stream.consumer.delivered.sseq.cseq.time.pending; with a domain two more stand before the stream
_NOTHING_MORE = (b"404", b"408")


class NodeReader:
    """Reads one node's copy from its beginning. Made by `open_node`; `messages`, `first` and `last` say what it served so far."""

    def __init__(self, connection: Connection, stream: str, consumer: str) -> None:
        self.consumer = consumer
        self.messages = 0
        self.first = 0
        self.last = 0
        self._connection = connection
        self._stream = stream
        self._inbox = connection.new_inbox()
        self._subscription: Subscription | None = None
        self._waiting: dict[int, bytes] = {}
        self._position = 0
        self._pull = 0
        self._got = 0
        self._status = b""
        self._ended = asyncio.Event()
        self._is_exhausted = False

    async def start(self) -> None:
        self._subscription = await self._connection.subscribe_raw(f"{self._inbox}.*", self._on_message)

    async def stop(self) -> None:
        """Delete the consumer; what the server does not hear it forgets by itself after a minute."""
        if self._subscription is not None:
            await self._connection.unsubscribe_raw(self._subscription)
        await _delete(self._connection, self._stream, self.consumer)

    async def leaves(self, last: int) -> dict[int, bytes]:
        """The leaf of every event up to `last` that was not given out yet, by its sequence. Raises Unavailable where the node is silent."""
        while self._position < last and not self._is_exhausted:
            await self._pull_more()
        own = {sequence: leaf for sequence, leaf in self._waiting.items() if sequence <= last}
        for sequence in own:
            del self._waiting[sequence]
        if own:
            self.first = self.first or min(own)
            self.last = max(own)
            self.messages += len(own)
        return own

    async def _pull_more(self) -> None:
        """Ask for the next messages, and wait until they are there, or the node has nothing more."""
        self._pull += 1
        self._got, self._status = 0, b""
        self._ended.clear()
        body = json.dumps({"batch": PULL_MESSAGES, "expires": int(BEHIND_SECONDS * 1e9)}).encode()
        subject = f"{self._connection.settings.api_root}.CONSUMER.MSG.NEXT.{self._stream}.{self.consumer}"
        await self._connection.publish(subject, body, reply=f"{self._inbox}.{self._pull}")
        try:
            async with asyncio.timeout(BEHIND_SECONDS + ANSWER_SECONDS):
                await self._ended.wait()
        except TimeoutError as error:
            raise Unavailable(f"It stopped answering after sequence {self._position:,}.") from error
        if self._status and self._status not in _NOTHING_MORE:
            raise Unavailable(f"It stopped after sequence {self._position:,}, with status {self._status.decode()}.")
        self._is_exhausted = bool(self._status) and not self._got

    def _on_message(self, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """A message comes under the subject it is stored at, a status under the inbox of its pull."""
        if headers and headers[8:9] == b" ":
            if subject.rpartition(b".")[2] == str(self._pull).encode():
                self._status = headers[9:12]
                self._ended.set()
            return
        tokens = reply.split(b".")
        start = 4 if len(tokens) == _PLAIN_ACK_TOKENS else 6
        self._position = int(tokens[start + 1])
        self._waiting[self._position] = leaf_bytes(self._position, cid_of(data))
        self._got += 1
        if self._got >= PULL_MESSAGES or tokens[start + 4] == b"0":
            self._ended.set()


@asynccontextmanager
async def open_node(connection: Connection, stream: str, node: str) -> AsyncIterator[NodeReader]:
    """Read the copy of `node` for as long as the block lasts. Raises Unavailable where no consumer comes to lie there."""
    reader = NodeReader(connection, stream, await _consumer_on(connection, stream, node))
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def _consumer_on(connection: Connection, stream: str, node: str) -> str:
    """A consumer of one replica that lies on `node`; those that lie elsewhere are deleted."""
    refused = ""
    for _ in range(TRIES):
        try:
            name, place = await _create(connection, stream)
        except (Unavailable, ServerRefused) as error:
            refused = f" The server said: {error}"
            await asyncio.sleep(0.2)
            continue
        if place == node:
            return name
        await _delete(connection, stream, name)
    raise Unavailable(f"Of {TRIES} consumers none came to lie on {node}.{refused}")


async def _create(connection: Connection, stream: str) -> tuple[str, str]:
    config = {
        "description": "comparison of replicas",
        "ack_policy": "none",
        "deliver_policy": "all",
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": _IDLE_NANOSECONDS,
    }
    answer = await connection.api(f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": config}, stream=stream)
    return answer["name"], (answer.get("cluster") or {}).get("leader", "")


async def _delete(connection: Connection, stream: str, consumer: str) -> None:
    try:
        await connection.api(f"CONSUMER.DELETE.{stream}.{consumer}", stream=stream, timeout=2)
    except (Unavailable, NotFound, ServerRefused):
        return
