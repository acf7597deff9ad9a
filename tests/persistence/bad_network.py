"""This module is a network that misbehaves on purpose: a TCP proxy before the server that can swallow answers, or call the server older."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes everything on, except while `is_dropping_answers`: then the server hears the client, and the client hears nothing.

    With `version`, the server's greeting says that it is this one, so that a client does only what such a server can.
    """

    def __init__(self, version: str) -> None:
        self.port = 0
        self.version = version
        self.is_dropping_answers = False
        self._links: set[asyncio.StreamWriter] = set()

    async def cut(self) -> None:
        """Break every link that is open, as a failing network would."""
        for writer in list(self._links):
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        self._links.add(writer)
        try:
            while chunk := await reader.read(65536):
                if is_answer and self.version and chunk.startswith(b"INFO "):
                    chunk = re.sub(rb'"version":"[^"]*"', f'"version":"{self.version}"'.encode(), chunk)
                if not (is_answer and self.is_dropping_answers):
                    writer.write(chunk)
                    await writer.drain()
        except OSError:
            pass
        finally:
            self._links.discard(writer)
            writer.close()


@asynccontextmanager
async def proxy_to(port: int, *, version: str = "") -> AsyncIterator[Proxy]:
    """A proxy to `port` on this machine, for as long as the block lasts."""
    proxy = Proxy(version)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        async with asyncio.TaskGroup() as both:
            both.create_task(proxy.carry(reader, upstream_writer, is_answer=False))
            both.create_task(proxy.carry(upstream_reader, writer, is_answer=True))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.cut()
