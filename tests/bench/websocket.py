"""This module is the least of a WebSocket client (RFC 6455): enough to look at a page as a browser does, two hundred at a time."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from typing import Any

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Socket:
    """One open socket. Made by `open_socket`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, message: dict[str, Any]) -> None:
        self._send(_TEXT, json.dumps(message).encode())

    async def hear(self) -> dict[str, Any]:
        """The next message. Raises ConnectionError when the other side closes."""
        while True:
            operation, payload = await self._frame()
            if operation == _TEXT:
                message: dict[str, Any] = json.loads(payload)
                return message
            if operation == _PING:
                self._send(_PONG, payload)
            elif operation == _CLOSE:
                raise ConnectionError(f"closed with {struct.unpack('!H', payload[:2])[0] if payload else 'no code'}: {payload[2:]!r}")

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
        return first & 0x0F, await self._reader.readexactly(length)

    def _send(self, operation: int, payload: bytes) -> None:
        mask = os.urandom(4)
        length = len(payload)
        head = bytes([0x80 | operation, 0x80 | length]) if length < 126 else struct.pack("!BBH", 0x80 | operation, 0xFE, length)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self._writer.write(head + mask + masked)


async def open_socket(port: int, path: str, *, cookie: str) -> Socket:
    """Open a socket as a page of the same origin would. Raises ConnectionError with the server's first line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Origin: http://127.0.0.1:{port}",
        f"Cookie: {cookie}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in answer.splitlines()[0]:
        raise ConnectionError(f"The live socket was refused: {answer.splitlines()[0].decode()}")
    return Socket(reader, writer)
