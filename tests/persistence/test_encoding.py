"""This module is the tests of `encode` and `decode` on single values: what is written, what is refused and how that is said."""

from __future__ import annotations

import datetime
import enum
import math
import sys
from collections import OrderedDict
from typing import Any

import pytest

from apps.persistence.encoding import MAX_DEPTH, Cid, cid_of, codec, decode, encode
from apps.persistence.errors import EncodingError

OURS = cid_of(b"a block")
NESTED = b"\x81" * MAX_DEPTH + b"\x80"


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


def nest(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "block"),
    [
        (None, "f6"),
        (False, "f4"),
        (True, "f5"),
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (255, "18ff"),
        (256, "190100"),
        (65_536, "1a00010000"),
        (2**32, "1b0000000100000000"),
        (2**64 - 1, "1bffffffffffffffff"),
        (-1, "20"),
        (-(2**63) - 1, "3b8000000000000000"),
        (-(2**64), "3bffffffffffffffff"),
        (0.0, "fb0000000000000000"),
        (1.0, "fb3ff0000000000000"),
        (5e-324, "fb0000000000000001"),
        ("", "60"),
        ("é", "62c3a9"),
        ("𝄞", "64f09d849e"),
        (b"", "40"),
        (b"\x00\xff", "4200ff"),
        ([], "80"),
        ({}, "a0"),
        ([1, [2]], "82018102"),
        ({"b": 1, "aa": 2, "": 3, "é": 4}, "a4600361620162616102" + "62c3a904"),
        (OURS, "d82a582500" + OURS.raw.hex()),
        (OURS.raw, "5824" + OURS.raw.hex()),
        (Cid(bytes.fromhex("01550000")), "d82a450001550000"),
        (bytes.fromhex("01550000"), "4401550000"),
    ],
)
def test_a_value_has_exactly_one_spelling(value: Any, block: str) -> None:
    written = encode(value)

    read = decode(written)

    assert (written.hex(), repr(read)) == (block, repr(dict(sorted(value.items(), key=by_length)) if type(value) is dict else value))


def by_length(item: tuple[str, Any]) -> tuple[int, bytes]:
    return len(item[0].encode()), item[0].encode()


def test_a_link_and_bytes_of_the_same_content_stay_apart() -> None:
    value = {"link": OURS, "bytes": OURS.raw}

    assert decode(encode(value)) == {"link": OURS, "bytes": OURS.raw}


def test_a_foreign_link_with_a_long_digest_stays_a_link() -> None:
    """The fast library takes digests of more than 64 bytes for plain bytes."""
    long = Cid(bytes.fromhex("01550041") + b"d" * 65)

    block = encode({"link": long, "bytes": long.raw})

    assert (decode(block), block.count(b"\xd8\x2a")) == ({"link": long, "bytes": long.raw}, 1)


def test_encode_leaves_the_value_of_its_caller_alone() -> None:
    value: Any = {"payload": {"links": [OURS]}}

    encode(value)

    assert value == {"payload": {"links": [OURS]}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "The number nan at the top cannot be stored; store a finite number, and 0.0 instead of -0.0."),
        ([math.inf], "The number inf at [0] cannot be stored; store a finite number, and 0.0 instead of -0.0."),
        ({"a": -math.inf}, "The number -inf at a cannot be stored; store a finite number, and 0.0 instead of -0.0."),
        ({"a": {"b": -0.0}}, "The number -0.0 at a.b cannot be stored; store a finite number, and 0.0 instead of -0.0."),
        (2**64, "An integer of 65 bits at the top cannot be stored; keep it within -2**64 and 2**64 - 1, or store it as text."),
        (-(2**64) - 1, "An integer of 65 bits at the top cannot be stored; keep it within -2**64 and 2**64 - 1, or store it as text."),
        ({"a": {1: 2}}, "A map key of type int at a cannot be stored; use text keys of type str only."),
        ({Colour.RED: 1}, "A map key of type Colour at the top cannot be stored; use text keys of type str only."),
        ("\ud800", "Text with a lone surrogate at character 0 at the top cannot be stored; store valid Unicode only."),
        ({"a\udfff": 1}, "Text with a lone surrogate at character 1 at the top cannot be stored; store valid Unicode only."),
        ([Cid(b"")], "A link whose bytes are no CID at [0] cannot be stored; make it with Cid.parse, Cid.from_bytes or cid_of."),
        (
            Cid(OURS.raw + b"\x00"),
            "A link whose bytes are no CID at the top cannot be stored; make it with Cid.parse, Cid.from_bytes or cid_of.",
        ),
        (Cid("bafy"), "A link whose bytes are no CID at the top cannot be stored; make it with Cid.parse, Cid.from_bytes or cid_of."),  # type: ignore[arg-type]
    ],
)
def test_encode_refuses_a_value_and_says_where_and_what_to_do(value: Any, message: str) -> None:
    with pytest.raises(EncodingError) as refused:
        encode(value)

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("item", "type_name"),
    [
        ((1, 2), "tuple"),
        ({1}, "set"),
        (frozenset(), "frozenset"),
        (datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC), "datetime"),
        (datetime.date(2026, 5, 1), "date"),
        (bytearray(b"x"), "bytearray"),
        (memoryview(b"x"), "memoryview"),
        (OrderedDict(a=1), "OrderedDict"),
        (Colour.RED, "Colour"),
        (Number.ONE, "Number"),
        (1 + 2j, "complex"),
        (object(), "object"),
    ],
)
def test_encode_refuses_other_types_and_subclasses(item: Any, type_name: str) -> None:
    with pytest.raises(EncodingError) as refused:
        encode({"payload": {"two words": [item]}})

    assert str(refused.value) == (
        f"A value of type {type_name} at payload['two words'][0] cannot be stored; "
        "store None, bool, int, float, str, bytes, Cid, list or dict, and nothing derived from them."
    )


def test_the_deepest_value_allowed_round_trips() -> None:
    assert decode(encode(nest(MAX_DEPTH))) == nest(MAX_DEPTH)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000, 100_000])
def test_encode_refuses_a_deeper_value(depth: int) -> None:
    with pytest.raises(
        EncodingError, match=r"nested more than 128 deep at \[0\]\[0\]\[0\]\[0\]…\[0\]\[0\]\[0\]\[0\] cannot be stored; flatten it"
    ):
        encode(nest(depth))


@pytest.mark.parametrize("block", [b"\x81" * (MAX_DEPTH + 1) + b"\x00", NESTED, b"\x81" * 1_000_000, b"\xa1\x61a" * 300_000 + b"\x00"])
def test_decode_refuses_a_deeper_block(block: bytes) -> None:
    with pytest.raises(EncodingError, match="lists and maps are nested more than 128 deep"):
        decode(block)


def test_encode_refuses_a_container_that_holds_itself() -> None:
    loop: list[Any] = []
    loop.extend([loop] * 1_000)

    with pytest.raises(EncodingError, match="look for a container that holds itself"):
        encode(loop)


@pytest.mark.parametrize("block", ["\x00", bytearray(b"\x00"), memoryview(b"\x00"), None])
def test_decode_refuses_what_is_not_bytes(block: Any) -> None:
    with pytest.raises(EncodingError, match=r"A block is made of bytes, not of (str|bytearray|memoryview|NoneType); convert it first"):
        decode(block)


class PanicException(BaseException):
    """What a Rust panic looks like in Python."""


def panic(_: object) -> Any:
    raise PanicException("index out of bounds")


def interrupt(_: object) -> Any:
    raise KeyboardInterrupt


def test_a_panic_of_the_fast_path_costs_speed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "decode_dag_cbor", panic)
    monkeypatch.setattr(codec, "encode_dag_cbor", panic)

    block = encode({"link": OURS})

    assert decode(block) == {"link": OURS}


def test_an_interrupt_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "decode_dag_cbor", interrupt)

    with pytest.raises(KeyboardInterrupt):
        decode(b"\x00")


def test_a_deep_block_cannot_end_the_process_when_the_recursion_limit_is_raised() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        with pytest.raises(EncodingError, match="nested more than 128 deep"):
            decode(b"\x81" * 1_000_000 + b"\x00")
    finally:
        sys.setrecursionlimit(limit)


def test_encode_and_decode_work_where_the_stack_is_nearly_used_up() -> None:
    def descend(frames: int) -> Any:
        return decode(encode(nest(MAX_DEPTH))) if frames == 0 else descend(frames - 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    try:
        assert descend(200) == nest(MAX_DEPTH)
    finally:
        sys.setrecursionlimit(limit)
