"""This module is the test of reading the protocol in one go: however the bytes are cut, each message comes once, whole and in order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.errors import ProtocolError

from apps.persistence.store import parser
from apps.persistence.store.client import DirectClient

RAW, USUAL = 1, 2
Seen = list[tuple[str, bytes, bytes, bytes, bytes]]

parts = st.binary(max_size=40)
messages = st.tuples(st.sampled_from([RAW, USUAL]), st.sampled_from([b"", b"_INBOX.x"]), parts, parts)


class Listener(DirectClient):
    """A client without a connection, which notes what its parser hands over."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Seen = []
        self.handlers = {RAW: lambda *found: self.seen.append(("raw", *found))}

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        self.seen.append(("usual", subject, reply, data, headers or b""))

    async def _process_ping(self) -> None:
        self.seen.append(("ping", b"", b"", b"", b""))

    async def feed(self, stream: bytes, cuts: list[int]) -> Seen:
        edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
        for start, end in pairwise(edges):
            await self._ps.parse(stream[start:end])
        return self.seen


def frame(sid: int, reply: bytes, headers: bytes, data: bytes) -> bytes:
    name, sizes = (b"HMSG", b"%d %d" % (len(headers), len(headers) + len(data))) if headers else (b"MSG", b"%d" % len(data))
    return b" ".join(word for word in (name, b"a.subject", b"%d" % sid, reply, sizes) if word) + b"\r\n" + headers + data + b"\r\n"


@given(sent=st.lists(messages, max_size=12), cuts=st.lists(st.integers(0, 1500), max_size=20), pings=st.booleans())
async def test_messages_come_whole_and_in_order_wherever_the_bytes_are_cut(
    sent: list[tuple[int, bytes, bytes, bytes]], cuts: list[int], pings: bool
) -> None:
    ping = b"PING\r\n" if pings else b""

    seen = await Listener().feed(b"".join(ping + frame(*message) for message in sent), cuts)

    kind = {RAW: "raw", USUAL: "usual"}
    expected = [(kind[sid], b"a.subject", reply, data, headers) for sid, reply, headers, data in sent]
    assert [found for found in seen if found[0] != "ping"] == expected
    assert len(seen) == len(sent) * (2 if pings else 1)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 400_000), max_size=12))
async def test_a_large_message_is_gathered(cuts: list[int]) -> None:
    large = bytes(6 * parser.LARGE_BYTES)

    seen = await Listener().feed(frame(RAW, b"", b"", large) + frame(RAW, b"", b"h", b"small"), cuts)

    assert [(len(data), headers) for _, _, _, data, headers in seen] == [(len(large), b""), (5, b"h")]


@pytest.mark.parametrize("line", [b"HELLO\r\n", b"MSG a\r\n", b"HMSG a.subject 1 x 3\r\n"])
async def test_what_is_not_the_protocol_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        await Listener().feed(line, [])
