"""This module is the tests of `decode` on bytes that are almost DAG-CBOR, each with the reason a person reads."""

from __future__ import annotations

import tracemalloc

import pytest

from apps.persistence.encoding import cid_of, decode
from apps.persistence.errors import EncodingError

OURS = cid_of(b"a block").raw.hex()
LINK = "d82a582500" + OURS

MALFORMED = {
    "empty": ("", "byte 0: the block is cut short, bytes needed: 1, left: 0"),
    "integer in 2 bytes": ("1817", "byte 0: the number 23 is written in 2 bytes, which is not the shortest form"),
    "integer in 3 bytes": ("1900ff", "byte 0: the number 255 is written in 3 bytes, which is not the shortest form"),
    "integer in 5 bytes": ("1a0000ffff", "byte 0: the number 65535 is written in 5 bytes, which is not the shortest form"),
    "integer in 9 bytes": ("1b00000000ffffffff", "byte 0: the number 4294967295 is written in 9 bytes, which is not the shortest form"),
    "negative in 2 bytes": ("3800", "byte 0: the number 0 is written in 2 bytes, which is not the shortest form"),
    "negative in 9 bytes": ("3b0000000000000000", "byte 0: the number 0 is written in 9 bytes, which is not the shortest form"),
    "bytes length": ("580100", "byte 0: the number 1 is written in 2 bytes, which is not the shortest form"),
    "text length": ("780161", "byte 0: the number 1 is written in 2 bytes, which is not the shortest form"),
    "list length": ("81980100", "byte 1 ([0]): the number 1 is written in 2 bytes, which is not the shortest form"),
    "map length": ("b801616100", "byte 0: the number 1 is written in 2 bytes, which is not the shortest form"),
    "key length": ("a178016100", "byte 1: the number 1 is written in 2 bytes, which is not the shortest form"),
    "tag in 3 bytes": ("d9002a" + LINK[4:], "byte 0: the number 42 is written in 3 bytes, which is not the shortest form"),
    "tag in 9 bytes": ("db000000000000002a" + LINK[4:], "byte 0: the number 42 is written in 9 bytes, which is not the shortest form"),
    "link length": ("d82a59002500" + OURS, "byte 2: the number 37 is written in 3 bytes, which is not the shortest form"),
    "float16": ("f93c00", "byte 0: a 16-bit float is not allowed, floats have 64 bits"),
    "float32": ("fa3f800000", "byte 0: a 32-bit float is not allowed, floats have 64 bits"),
    "float16 NaN": ("f97e00", "byte 0: a 16-bit float is not allowed, floats have 64 bits"),
    "NaN": ("fb7ff8000000000000", "byte 0: the float nan is not allowed, numbers are finite"),
    "NaN with payload": ("fb7ff0000000000001", "byte 0: the float nan is not allowed, numbers are finite"),
    "infinity": ("fb7ff0000000000000", "byte 0: the float inf is not allowed, numbers are finite"),
    "negative infinity": ("fbfff0000000000000", "byte 0: the float -inf is not allowed, numbers are finite"),
    "negative zero": ("a16161fb8000000000000000", "byte 3 (a): the float -0.0 is not allowed, zero is 0.0"),
    "indefinite bytes": ("5f4100ff", "byte 0: an indefinite length is not allowed"),
    "indefinite text": ("7f6161ff", "byte 0: an indefinite length is not allowed"),
    "indefinite list": ("9f00ff", "byte 0: an indefinite length is not allowed"),
    "indefinite map": ("bf616100ff", "byte 0: an indefinite length is not allowed"),
    "indefinite integer": ("1f", "byte 0: an indefinite length is not allowed"),
    "break": ("81ff", "byte 1 ([0]): a break code is not allowed, lengths are definite"),
    "reserved 28": ("1c", "byte 0: the additional information 28 is reserved"),
    "reserved 30": ("5e", "byte 0: the additional information 30 is reserved"),
    "reserved simple": ("fc", "byte 0: the simple value 28 is not allowed"),
    "undefined": ("f7", "byte 0: undefined is not allowed"),
    "simple 0": ("e0", "byte 0: the simple value 0 is not allowed"),
    "simple 19": ("f3", "byte 0: the simple value 19 is not allowed"),
    "simple 32": ("f820", "byte 0: simple values other than false, true and null are not allowed"),
    "true in 2 bytes": ("f815", "byte 0: simple values other than false, true and null are not allowed"),
    "date tag": ("c074323031332d30332d32315432303a30343a30305a", "byte 0: tag 0 is not allowed, only tag 42 for links"),
    "bignum tag": ("c249010000000000000000", "byte 0: tag 2 is not allowed, only tag 42 for links"),
    "tag 43": ("d82b" + LINK[4:], "byte 0: tag 43 is not allowed, only tag 42 for links"),
    "self-described": ("d9d9f700", "byte 0: tag 55799 is not allowed, only tag 42 for links"),
    "link without 0x00": ("d82a5824" + OURS, "byte 2: a link does not begin with the byte 0x00"),
    "link with base b": ("d82a582562" + OURS, "byte 2: a link does not begin with the byte 0x00"),
    "empty link": ("d82a40", "byte 2: a link does not begin with the byte 0x00"),
    "link without a CID": ("d82a4100", "byte 2: Nothing is not a CID; it must begin with version 1, or be 34 bytes of version 0"),
    "link to text": ("d82a6161", "byte 2: a link holds text, it must hold a byte string"),
    "link to a link": ("d82a" + LINK, "byte 2: a link holds a tag, it must hold a byte string"),
    "link with a tail": (
        "d82a582600" + OURS + "ff",
        f"byte 2: {OURS}ff is not a CID; it declares a digest of 32 bytes and has 33",
    ),
    "link cut short": ("d82a582400" + OURS[:-2], f"byte 2: {OURS[:-2]} is not a CID; it declares a digest of 32 bytes and has 31"),
    "identity link with a tail": ("d82a46000155000078", "byte 2: 0155000078 is not a CID; it declares a digest of 0 bytes and has 1"),
    "link of version 2": ("d82a450002550000", "byte 2: 02550000 is not a CID; it must begin with version 1, or be 34 bytes of version 0"),
    "long codec": ("d82a4700" + "01f180000000", "byte 2: 01f180000000 is not a CID; its codec is not in the shortest form"),
    "endless codec": ("d82a4c00" + "01" + "80" * 10, f"byte 2: 01{'80' * 10} is not a CID; its codec is cut off or longer than 9 bytes"),
    "duplicate keys": ("a2616100616101", "byte 4: the map key 'a' occurs twice"),
    "duplicate keys apart": (
        "a3616100616201616102",
        "byte 7: the map key 'a' is out of order, shorter keys come first and then lower bytes",
    ),
    "keys by letter": ("a262616100616201", "byte 5: the map key 'b' is out of order, shorter keys come first and then lower bytes"),
    "keys reversed": ("a2616200616101", "byte 4: the map key 'a' is out of order, shorter keys come first and then lower bytes"),
    "key is an integer": ("a10000", "byte 1: a map key is an unsigned integer, only text is allowed"),
    "key is bytes": ("a1416100", "byte 1: a map key is a byte string, only text is allowed"),
    "key is null": ("a1f600", "byte 1: a map key is a simple value or float, only text is allowed"),
    "invalid UTF-8": ("61ff", "byte 0: text is not UTF-8 at its byte 0"),
    "overlong UTF-8": ("62c080", "byte 0: text is not UTF-8 at its byte 0"),
    "surrogate in UTF-8": ("6461eda080", "byte 0: text is not UTF-8 at its byte 1"),
    "beyond Unicode": ("64f4908080", "byte 0: text is not UTF-8 at its byte 0"),
    "UTF-8 cut short": ("6162e2", "byte 2: the value ends here, but the block goes on to byte 3"),
    "invalid UTF-8 in a key": ("a161ff00", "byte 1: text is not UTF-8 at its byte 0"),
    "trailing byte": ("0000", "byte 1: the value ends here, but the block goes on to byte 2"),
    "trailing after a map": ("a0f6", "byte 1: the value ends here, but the block goes on to byte 2"),
    "cut in a head": ("19ff", "byte 0: the block is cut short, bytes needed: 2, left: 1"),
    "cut in a list": ("8200", "byte 0: the declared number of items, 2, does not fit into the bytes left: 1"),
    "cut in a map": ("a1626161", "byte 4 (aa): the block is cut short, bytes needed: 1, left: 0"),
    "huge bytes": ("5bffffffffffffffff", "byte 0: the block is cut short, bytes needed: 18,446,744,073,709,551,615, left: 0"),
    "huge text": ("7b7fffffffffffffff", "byte 0: the block is cut short, bytes needed: 9,223,372,036,854,775,807, left: 0"),
    "huge list": (
        "9bffffffffffffffff00",
        "byte 0: the declared number of items, 18,446,744,073,709,551,615, does not fit into the bytes left: 1",
    ),
    "huge map": ("ba7fffffff616100", "byte 0: the declared number of items, 2,147,483,647, does not fit into the bytes left: 3"),
    "huge link": ("d82a5bffffffffffffffff00", "byte 2: the block is cut short, bytes needed: 18,446,744,073,709,551,615, left: 1"),
    "deep in an event": (
        "a2677061796c6f6164a1656974656d7383000102" + "6776657273696f6e1801",
        "byte 28 (version): the number 1 is written in 2 bytes, which is not the shortest form",
    ),
}


@pytest.mark.parametrize(("block", "reason"), MALFORMED.values(), ids=MALFORMED.keys())
def test_decode_refuses_and_names_the_byte(block: str, reason: str) -> None:
    with pytest.raises(EncodingError) as refused:
        decode(bytes.fromhex(block))

    assert str(refused.value) == f"Not strict DAG-CBOR at {reason}."


@pytest.mark.parametrize("block", [b"\x9a\x0f\xff\xff\xff" * 20_000, b"\xba\x07\xff\xff\xff" + b"\xa0" * 1_000, b"\x5a\x7f\xff\xff\xff"])
def test_a_huge_declared_length_takes_no_memory(block: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(EncodingError, match=r"does not fit into the bytes left|the block is cut short"):
            decode(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000


def test_a_long_key_is_shortened_in_the_reason() -> None:
    block = b"\xa1\x79\x10\x00" + b"k" * 4_096 + b"\xf7"

    with pytest.raises(EncodingError) as refused:
        decode(block)

    assert str(refused.value) == f"Not strict DAG-CBOR at byte 4,100 (['{'k' * 40}'…]): undefined is not allowed."
