"""This module is the server's own backup of a stream: taken in chunks of compressed bytes, and put back from them.

Only the server knows what the bytes mean. It sends a few chunks ahead and goes on as each is acknowledged; where nothing is
acknowledged for about five seconds it gives up. A stream that is put back has its messages with their sequences and times, and its
consumers where they were taken along.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from ..errors import ContinuityLost, Unavailable
from .api_errors import api_error
from .connection import Connection
from .link import CoreMessage, Reply
from .streams import StreamInfo, to_stream_info

CHUNK_BYTES = 256 * 1024
LEAST_CHUNK_BYTES = 1024
BEGIN_SECONDS = 60.0
SILENCE_SECONDS = 30.0
PUT_BACK_SECONDS = 900.0
_AHEAD = 8


def chunk_bytes(limit: int) -> int:
    """How large a chunk may be where so many bytes a second are allowed (0: no limit), so that each is done within a second."""
    return min(CHUNK_BYTES, max(LEAST_CHUNK_BYTES, limit)) if limit else CHUNK_BYTES


class StreamBackup:
    """A backup that the server is sending: `config` and `state` of the stream, and its chunks. Made by `open_backup`."""

    def __init__(self, connection: Connection, answer: Mapping[str, Any], arrived: asyncio.Queue[CoreMessage]) -> None:
        self.config: dict[str, Any] = answer["config"]
        self.state: dict[str, Any] = answer["state"]
        self._connection = connection
        self._arrived = arrived
        self._count = 0
        self._owed = ""

    async def next_chunk(self) -> bytes | None:
        """The next chunk, or None at the end; asking for it acknowledges the one before. Raises Unavailable, ContinuityLost."""
        if self._owed:
            await self._connection.publish(self._owed)
            self._owed = ""
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await self._arrived.get()
        except TimeoutError as error:
            raise Unavailable(f"The server sent nothing of the backup of {self.config['name']} for {SILENCE_SECONDS:g} s.") from error
        if not message.data:
            self._check_end(message)
            return None
        self._count += 1
        self._owed = message.reply
        number = message.reply.rpartition(".")[2]
        if number.isdigit() and int(number) != self._count:
            raise ContinuityLost(f"Chunk {number} of the backup of {self.config['name']} came where {self._count} was due.")
        return message.data

    def _check_end(self, message: CoreMessage) -> None:
        status = Reply(message.data, message.raw_headers).status
        if status not in ("", "204"):
            words = message.raw_headers.split(b"\r\n")[0].removeprefix(b"NATS/1.0 ").decode(errors="replace")
            raise Unavailable(f"The server broke off the backup of {self.config['name']} after {self._count:,} chunks: {words}.")


@asynccontextmanager
async def open_backup(
    connection: Connection, stream: str, *, with_consumers: bool, chunk: int = CHUNK_BYTES
) -> AsyncIterator[StreamBackup]:
    """Have the server send a backup for as long as the block lasts. Raises StreamNotFound, ServerRefused, Unavailable."""
    arrived: asyncio.Queue[CoreMessage] = asyncio.Queue()
    inbox = connection.new_inbox()
    request = {"deliver_subject": inbox, "no_consumers": not with_consumers, "chunk_size": chunk, "window_size": _AHEAD * chunk}
    async with connection.subscribe(inbox, arrived.put_nowait):
        answer = await connection.api(f"STREAM.SNAPSHOT.{stream}", request, stream=stream, timeout=BEGIN_SECONDS)
        yield StreamBackup(connection, answer, arrived)


class StreamReturn:
    """A stream that is being put back: chunks, then `finish`. The server forgets it by itself where nothing comes. By `begin_return`."""

    def __init__(self, connection: Connection, stream: str, subject: str) -> None:
        self._connection = connection
        self._stream = stream
        self._subject = subject

    async def send(self, chunk: bytes) -> None:
        """One chunk. Raises Unavailable where the server has given up, OutOfSpace, ServerRefused."""
        self._check(await self._connection.request(self._subject, chunk, timeout=SILENCE_SECONDS))

    async def finish(self) -> StreamInfo:
        """Have the server make the stream of what it was sent. Raises ServerRefused with its reason; a stream may be there all the same."""
        answer = self._check(await self._connection.request(self._subject, b"", timeout=PUT_BACK_SECONDS))
        return to_stream_info(answer)

    def _check(self, reply: Reply) -> dict[str, Any]:
        if reply.status:
            raise Unavailable(f"The server has given up putting {self._stream} back (status {reply.status}); it is to be begun again.")
        answer: dict[str, Any] = json.loads(reply.data) if reply.data else {}
        if "error" in answer:
            raise api_error(answer["error"], stream=self._stream)
        return answer


async def begin_return(connection: Connection, config: Mapping[str, Any], state: Mapping[str, Any]) -> StreamReturn:
    """Begin to put a stream back. Raises ServerRefused where one of that name is there."""
    name = config["name"]
    answer = await connection.api(f"STREAM.RESTORE.{name}", {"config": config, "state": state}, stream=name, timeout=BEGIN_SECONDS)
    return StreamReturn(connection, name, answer["deliver_subject"])
