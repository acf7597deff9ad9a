"""The quickest reading of a block with one link: what it accepts, the strict decoder accepts, with the same value."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.persistence.encoding import Cid, cid_of, decode, encode
from apps.persistence.encoding.quick import decode_with_one_link
from apps.persistence.errors import EncodingError

OURS = cid_of(b"block")
FOREIGN = Cid(bytes.fromhex("01551220") + bytes(32))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0),
    st.text(max_size=6),
    st.binary(max_size=6),
    st.sampled_from([OURS, FOREIGN, OURS.raw, b"\xd8\x2a", "\u062a"]),
)
VALUES: Any = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3))


def with_raw_link(value: Any) -> Any:
    return value | {"link": value["link"].raw} if type(value.get("link")) is Cid else value


@settings(max_examples=500, deadline=None)
@given(rest=st.dictionaries(st.text(max_size=3), VALUES, max_size=4), link=st.sampled_from([OURS, None, FOREIGN, OURS.raw, b"x", 1]))
def test_what_is_read_quickly_is_what_the_decoder_reads(rest: dict[str, Any], link: Any) -> None:
    block = encode(rest | {"link": link})

    quick = decode_with_one_link(block, "link")

    assert quick is None or (type(link) is not bytes or link != OURS.raw)
    assert quick is None or encode(quick | {"link": link}) == block
    assert quick is None or quick == with_raw_link(decode(block))


@settings(max_examples=500, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_what_the_decoder_refuses_is_never_read_quickly(place: int, byte: int) -> None:
    block = bytearray(encode({"link": OURS, "items": [1, 2.5, "text", b"bytes", {"a": None}], "more": {"x": [True]}}))
    block[place % len(block)] = byte
    try:
        strict = decode(bytes(block))
    except EncodingError:
        strict = None

    quick = decode_with_one_link(bytes(block), "link")

    assert quick is None or quick == with_raw_link(strict)


def test_one_link_at_the_key_is_read() -> None:
    assert decode_with_one_link(encode({"link": OURS, "n": 1}), "link") == {"link": OURS.raw, "n": 1}
    assert decode_with_one_link(encode({"link": None, "n": 1}), "link") == {"link": None, "n": 1}


@pytest.mark.parametrize("value", [{"link": None, "n": OURS}, {"link": FOREIGN}, {"link": OURS, "n": OURS}, [OURS], OURS, 1])
def test_other_links_and_other_values_are_left_to_the_decoder(value: Any) -> None:
    assert decode_with_one_link(encode(value), "link") is None


def test_bytes_that_look_like_our_cid_are_no_link() -> None:
    assert decode_with_one_link(encode({"link": OURS.raw}), "link") is None


@pytest.mark.parametrize("opening", [b"\x81", b"\xa1\x61a"])
def test_hostile_nesting_is_left_to_the_decoder(opening: bytes) -> None:
    block = opening * 100_000 + b"\x00"

    assert decode_with_one_link(block, "link") is None


def test_refused_bytes_leave_the_process_as_it_was() -> None:
    before = sys.getrecursionlimit()

    assert decode_with_one_link(b"\xff", "link") is None
    assert decode_with_one_link(b"", "link") is None
    assert sys.getrecursionlimit() == before
