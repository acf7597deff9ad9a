"""This module is the nats-py client with two additions: subscriptions whose messages go straight to a function, and bulk publishing.

nats-py parses every header, makes an object and crosses a queue and a task for each message. A reader of whole streams and the inbox
of requests need none of it, so they are handed the raw parts in the read loop: many times faster, and nothing can be dropped between.
A batch of messages is likewise written in one go, in the protocol's own form (HPUB), instead of message by message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from nats import errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from .parser import DirectParser

_SUBJECT = re.compile(r"[^\s\x00-\x1f\x7f]+")

RawHandler = Callable[[bytes, bytes, bytes, bytes], None]
"""Called with subject, reply, data and the raw header block. It must not block and must not raise."""


class DirectClient(Client):
    """A nats-py client that can deliver a subscription's messages to a plain function, in order, within its read loop."""

    def __init__(self) -> None:
        super().__init__()
        self.handlers: dict[int, RawHandler] = {}
        self._ps = DirectParser(self)

    async def subscribe_raw(self, subject: str, handler: RawHandler, *, queue: str = "") -> Subscription:
        """Subscribe so that each message is handed to `handler` as it is read. It survives reconnects like any subscription.

        Of all subscriptions with the same `queue` one gets each message.
        """
        self.handlers[self._sid + 1] = handler
        subscription = await self.subscribe(subject, queue=queue)
        return subscription

    async def unsubscribe_raw(self, subscription: Subscription) -> None:
        """End a subscription made by `subscribe_raw`."""
        self.handlers.pop(subscription._id, None)
        if not self.is_closed:
            await subscription.unsubscribe()

    async def publish_all(self, messages: Iterable[tuple[str, bytes, Mapping[str, str]]]) -> None:
        """Publish messages (subject, data, headers; at least one header each) in one write.

        Raises OutboundBufferLimitError while the link is broken, MaxPayloadError, BadSubjectError; then nothing was sent.
        """
        if not self.is_connected:
            raise errors.OutboundBufferLimitError
        frames = b"".join(self._frame(subject, data, headers) for subject, data, headers in messages)
        await self._send_command(frames)
        await self._flush_pending()

    def _frame(self, subject: str, data: bytes, headers: Mapping[str, str]) -> bytes:
        block = ("NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode()
        if not _SUBJECT.fullmatch(subject) or block.count(b"\n") != len(headers) + 2:
            raise errors.BadSubjectError
        if len(block) + len(data) > self._max_payload:
            raise errors.MaxPayloadError
        return b"HPUB %b %d %d\r\n%b%b\r\n" % (subject.encode(), len(block), len(block) + len(data), block, data)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        handler = self.handlers.get(sid)
        if handler is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            handler(subject, reply, data, headers)


def parse_headers(raw: bytes) -> dict[str, str]:
    """The headers of a raw NATS header block; a status line gives `Status` and `Description`. Of a repeated name the last counts."""
    if not raw:
        return {}
    lines = raw.decode("utf-8", "replace").split("\r\n")
    headers: dict[str, str] = {}
    status = lines[0][len("NATS/1.0") :].strip()
    if status:
        code, _, description = status.partition(" ")
        headers = {"Status": code, "Description": description}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name] = value.strip()
    return headers
