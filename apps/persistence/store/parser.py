"""This module is the reading of the NATS protocol where messages come by the hundred thousand.

nats-py reads each message by regular expressions, two copies and a coroutine. Messages of subscriptions that have a handler are taken
out of what the socket gave by plain cuts, in one go; everything else is left to nats-py, line by line.
"""

from __future__ import annotations

from typing import Any

from nats.errors import ProtocolError
from nats.protocol.parser import AWAITING_MSG_PAYLOAD, Parser

_LINE_END = b"\r\n"
_END = len(_LINE_END)
LARGE_BYTES = 65_536
"""A message that lacks more than this is left to nats-py, which gathers it without copying what is there already."""


class DirectParser(Parser):
    """nats-py's parser, which hands messages straight to the handlers of `nc`."""

    nc: Any
    buf: bytearray
    state: int
    needed: int

    async def parse(self, data: bytes = b"") -> None:
        """Take what the socket gave. Raises ProtocolError."""
        if self.state != AWAITING_MSG_PAYLOAD and self.buf:
            data = bytes(self.buf) + data
            self.buf.clear()
        while data:
            if self.state == AWAITING_MSG_PAYLOAD:
                place = self.needed + _END - len(self.buf)
                await super().parse(data[:place])
            else:
                place, end = self._deliver_or_refuse(data)
                if place == end:
                    self.buf.extend(data[place:])
                    return
                await super().parse(data[place:end])
                place = end
            data = data[place:]

    def _deliver_or_refuse(self, data: bytes) -> tuple[int, int]:
        try:
            return self._deliver(data)
        except (ValueError, IndexError) as error:
            raise ProtocolError("nats: malformed MSG") from error

    def _deliver(self, data: bytes) -> tuple[int, int]:
        """Hand over every message that is there as a whole and has a handler. Returns where the line begins and ends that comes next and
        is nats-py's; both are the same where what is left of `data` is not whole yet.
        """
        handlers, place, size = self.nc.handlers, 0, len(data)
        while True:
            end = data.find(_LINE_END, place)
            if end < 0:
                return place, place
            start = end + _END
            words = data[place:end].split()
            if not words or words[0] not in (b"HMSG", b"MSG"):
                return place, start
            handler = handlers.get(int(words[2]))
            if handler is None:
                return place, start
            has_headers = words[0] == b"HMSG"
            stop, body = start + int(words[-1]), start + (int(words[-2]) if has_headers else 0)
            if stop + _END > size:
                return place, start if stop - size > LARGE_BYTES else place
            reply = words[3] if len(words) == (6 if has_headers else 5) else b""
            handler(words[1], reply, data[body:stop], data[start:body])
            place = stop + _END
