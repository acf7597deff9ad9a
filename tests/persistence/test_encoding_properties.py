"""This module is the property tests of the block format: the fast path against the exact codec, and both against dag-cbor."""

from __future__ import annotations

from typing import Any

import dag_cbor
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multiformats import CID

from apps.persistence.encoding import MAX_DEPTH, Cid, Value, cid_of, codec, decode, encode
from apps.persistence.encoding.exact_decoder import decode_exactly
from apps.persistence.encoding.exact_encoder import encode_exactly
from apps.persistence.errors import EncodingError

THOROUGH = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
REFUSED = "refused"
OURS = cid_of(b"a block")


def varint(number: int) -> bytes:
    head = b""
    while number >= 0x80:
        head += bytes([number & 0x7F | 0x80])
        number >>= 7
    return head + bytes([number])


def make_cid_bytes(codec_code: int, hash_code: int, digest: bytes) -> bytes:
    return b"\x01" + varint(codec_code) + varint(hash_code) + varint(len(digest)) + digest


numbers = st.one_of(st.sampled_from([0x55, 0x70, 0x71, 0x12, 0x1E, 0, 0x7F, 0x80, 2**32, 2**63 - 1]), st.integers(0, 2**63 - 1))
digests = st.one_of(st.binary(min_size=32, max_size=32), st.binary(max_size=140))
our_cid_bytes = st.binary(min_size=32, max_size=32).map(lambda digest: OURS.raw[:4] + digest)
known_cid_bytes = st.one_of(our_cid_bytes, st.binary(min_size=32, max_size=32).map(lambda digest: b"\x01\x55\x12\x20" + digest))
cid_bytes = st.one_of(
    known_cid_bytes,
    st.binary(min_size=32, max_size=32).map(lambda digest: b"\x12\x20" + digest),
    st.builds(make_cid_bytes, numbers, numbers, digests),
)
almost_cid_bytes = st.one_of(
    st.builds(lambda raw, tail: raw + tail, cid_bytes, st.binary(min_size=1, max_size=2)),
    st.builds(lambda raw, end: raw[:end], cid_bytes, st.integers(0, 40)),
    st.sampled_from(
        [
            b"\x01\x55\x00\x00",
            b"\x01\x55\x00\x00\x78",
            b"\x01\xf1\x80\x00\x00\x00",
            b"\x01\x80\x01\x00\x00",
            b"\x12\x20",
            b"\x00" + OURS.raw,
        ]
    ),
)
any_bytes = st.one_of(st.binary(max_size=20), cid_bytes, almost_cid_bytes)
integers = st.one_of(st.integers(-(2**64), 2**64 - 1), st.integers(-300, 300))
floats = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
scalars = st.one_of(st.none(), st.booleans(), integers, floats, st.text(max_size=12), any_bytes, cid_bytes.map(Cid))


def make_containers(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(items, max_size=5), st.dictionaries(st.text(max_size=5), items, max_size=5))


values = st.recursive(scalars, make_containers, max_leaves=20)
oracle_values = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, floats, st.text(max_size=12), any_bytes, known_cid_bytes.map(Cid)),
    make_containers,
    max_leaves=20,
)
hostile_scalars = st.one_of(
    scalars,
    st.floats(),
    st.integers(),
    st.just(-0.0),
    st.text(st.characters(), max_size=5),
    st.just("\ud800"),
    almost_cid_bytes.map(Cid),
    st.just((1,)),
    st.just(bytearray(b"x")),
)
hostile_values = st.recursive(
    hostile_scalars,
    lambda items: st.one_of(
        st.lists(items, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.just("\udfff")), items, max_size=4),
    ),
    max_leaves=12,
)

FRAGMENTS = [
    *(
        bytes.fromhex(text)
        for text in ("f97e00", "f93c00", "fa3f800000", "fb8000000000000000", "fb7ff8000000000000", "f7", "ff", "9f", "5f", "1800")
    ),
    *(
        bytes.fromhex(text)
        for text in ("d82a", "d9002a", "d82a4100", "d82a46000155000078", "4401550000", "d82a450001550000", "d82a4700018080010000")
    ),
    *(
        bytes.fromhex(text)
        for text in ("a2616100616100", "a26161006160", "61ff", "9bffffffffffffffff", "c249010000000000000000", "5824", "d82a582500")
    ),
    b"\xd8\x2a\x58\x25\x00" + OURS.raw,
    b"\x58\x24" + OURS.raw,
    b"\x81" * (MAX_DEPTH - 2),
    b"\x81" * (MAX_DEPTH + 2),
]


@st.composite
def mutated_blocks(draw: st.DrawFn) -> bytes:
    """A valid block with a few bytes changed, put in, cut out or wrapped."""
    block = bytearray(encode_exactly(draw(values)))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(block)))
        cut = draw(st.integers(0, 2))
        block[start : start + cut] = draw(st.one_of(st.binary(max_size=2), st.sampled_from(FRAGMENTS)))
    return bytes(block)


def outcome(function: Any, argument: Any) -> str:
    """What a codec makes of its input: the value with its types, or that it was refused; the reason is for people."""
    try:
        return repr(function(argument))
    except EncodingError:
        return REFUSED


def fast_decode(block: bytes) -> str:
    accepted = codec._decode_fast(block)
    return REFUSED if accepted is None else repr(accepted[0])


def fast_encode(value: Any) -> str:
    block = codec._encode_fast(value)
    return REFUSED if block is None else repr(block)


def to_oracle(value: Any) -> Any:
    if isinstance(value, Cid):
        return CID.decode(value.raw)
    if isinstance(value, list):
        return [to_oracle(item) for item in value]
    return {key: to_oracle(item) for key, item in value.items()} if isinstance(value, dict) else value


def from_oracle(value: Any) -> Any:
    if isinstance(value, CID):
        return Cid(bytes(value))
    if isinstance(value, list):
        return [from_oracle(item) for item in value]
    return {key: from_oracle(item) for key, item in value.items()} if isinstance(value, dict) else value


def oracle_decode(block: bytes) -> str:
    try:
        return repr(from_oracle(dag_cbor.decode(block)))
    except Exception:
        return REFUSED


@THOROUGH
@given(values)
def test_a_value_comes_back_from_its_block(value: Value) -> None:
    assert decode(encode(value)) == value


@THOROUGH
@given(values)
def test_the_codec_writes_what_the_exact_encoder_writes(value: Value) -> None:
    assert encode(value) == encode_exactly(value)


@THOROUGH
@given(hostile_values)
@example(-0.0)
@example([Cid(b"\x01\x55\x00\x00\x78")])
@example(OURS.raw)
def test_the_fast_encoder_never_differs_from_the_exact_one(value: Any) -> None:
    assert fast_encode(value) in (REFUSED, outcome(encode_exactly, value))


@THOROUGH
@given(hostile_values)
def test_encode_and_the_exact_encoder_refuse_the_same_values(value: Any) -> None:
    assert outcome(encode, value) == outcome(encode_exactly, value)


@THOROUGH
@given(mutated_blocks())
@example(b"\x58\x24" + OURS.raw)
@example(bytes.fromhex("d82a46000155000078"))
@example(bytes.fromhex("fb8000000000000000"))
@example(b"\x81" * (MAX_DEPTH + 1) + b"\x00")
def test_the_fast_decoder_never_differs_from_the_exact_one(block: bytes) -> None:
    assert fast_decode(block) in (REFUSED, outcome(decode_exactly, block))


@THOROUGH
@given(mutated_blocks())
def test_decode_and_the_exact_decoder_agree_on_mutated_bytes(block: bytes) -> None:
    assert outcome(decode, block) == outcome(decode_exactly, block)


@THOROUGH
@given(st.one_of(mutated_blocks(), st.binary(max_size=60)))
def test_bytes_are_refused_or_encode_back_to_themselves(block: bytes) -> None:
    assert outcome(lambda data: encode(decode(data)), block) in (REFUSED, repr(block))


@THOROUGH
@given(st.one_of(mutated_blocks(), st.binary(max_size=60)))
def test_the_exact_codec_alone_refuses_or_encodes_back(block: bytes) -> None:
    assert outcome(lambda data: encode_exactly(decode_exactly(data)), block) in (REFUSED, repr(block))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(oracle_values)
def test_an_independent_encoder_writes_the_same_block(value: Value) -> None:
    assert dag_cbor.encode(to_oracle(value)) == encode(value)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(oracle_values)
def test_an_independent_decoder_reads_the_same_value(value: Value) -> None:
    assert oracle_decode(encode(value)) == outcome(decode, encode(value))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.binary(max_size=12),
        st.builds(lambda value, at, byte: change(encode(value), at, byte), oracle_values, st.integers(0), st.binary(max_size=2)),
    )
)
def test_whatever_an_independent_decoder_refuses_is_refused_unless_it_holds_a_link(block: bytes) -> None:
    """The independent decoder knows only the codecs and hashes in its tables, so links are left to the tests above."""
    accepted = outcome(decode, block)

    assert accepted == REFUSED or "Cid(" in accepted or accepted == oracle_decode(block)


def change(block: bytes, at: int, replacement: bytes) -> bytes:
    start = at % len(block)
    return block[:start] + replacement + block[start + 1 :]
