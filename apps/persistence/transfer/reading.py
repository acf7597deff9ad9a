"""This module is reading a file piece by piece as it arrives in chunks, so that a file of any size needs no more memory than its pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..errors import InvalidInput


class ByteReader:
    """Hands out the bytes of `chunks` in pieces of the caller's size; `offset` is how many were handed out."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.offset = 0
        self._chunks = chunks
        self._buffer = bytearray()
        self._start = 0
        self._is_over = False

    async def peek(self, count: int) -> bytes:
        """The next `count` bytes, which stay; fewer only at the end of the file."""
        while not self._is_over and self._waiting < count:
            await self._fill()
        return bytes(self._buffer[self._start : self._start + count])

    async def read(self, count: int) -> bytes:
        """The next `count` bytes; fewer only at the end of the file."""
        while not self._is_over and self._waiting < count:
            await self._fill()
        return self._take(min(count, self._waiting))

    async def line(self, limit: int) -> bytes:
        """The next line with its end, or nothing at the end of the file. Raises InvalidInput for one longer than `limit` bytes."""
        looked_at = self._start
        while (end := self._buffer.find(b"\n", looked_at)) < 0 and not self._is_over and self._waiting <= limit:
            looked_at = self._waiting
            await self._fill()
        length = end - self._start + 1 if end >= 0 else self._waiting
        if length > limit:
            raise InvalidInput(f"The line at byte {self.offset:,} is longer than {limit:,} bytes; this is not a file of JSON Lines.")
        return self._take(length)

    async def rest(self) -> AsyncIterator[bytes]:
        """What is left, in the pieces in which it arrives."""
        while self._waiting or not self._is_over:
            if not self._waiting:
                await self._fill()
            if self._waiting:
                yield self._take(self._waiting)

    @property
    def _waiting(self) -> int:
        return len(self._buffer) - self._start

    async def _fill(self) -> None:
        """One more chunk behind what waits; what was handed out is dropped."""
        del self._buffer[: self._start]
        self._start = 0
        try:
            self._buffer += await anext(self._chunks)
        except StopAsyncIteration:
            self._is_over = True

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[self._start : self._start + count])
        self._start += count
        self.offset += count
        return taken
