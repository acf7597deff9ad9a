"""This module is the test of reading payloads: exact, refused with a reason, cut, and never a danger to the page."""

from __future__ import annotations

import pytest

from apps.persistence.encoding import cid_of, encode
from apps.streams.hexdump import dump
from apps.streams.payload import Decoded, decode_payload
from apps.streams.tree import Node
from apps.streams.tree_html import tree_html


def leaves(node: Node, path: str = "") -> dict[str, tuple[str, str]]:
    """Each scalar of a tree by its path, as kind and text."""
    here = f"{path}/{node.key}" if node.key is not None else path
    if not node.is_branch:
        return {here: (node.kind, node.text)}
    return {place: leaf for child in node.children for place, leaf in leaves(child, here).items()}


def read(data: bytes, **headers: str) -> Decoded:
    return decode_payload(data, {name.replace("_", "-"): value for name, value in headers.items()})


def outcome(decoded: Decoded, reader: str) -> str:
    return next(attempt.outcome for attempt in decoded.attempts if attempt.reader == reader)


def shown(decoded: Decoded) -> dict[str, tuple[str, str]]:
    assert decoded.tree is not None
    return leaves(decoded.tree)


def test_json_numbers_keep_their_source_text() -> None:
    decoded = read(b'{"big": 9007199254740993, "float": 1.10, "exponent": 1E+2, "huge": 123456789012345678901234567890}')

    assert decoded.format == "JSON"
    assert shown(decoded) == {
        "/big": ("int", "9007199254740993"),
        "/float": ("float", "1.10"),
        "/exponent": ("float", "1E+2"),
        "/huge": ("int", "123456789012345678901234567890"),
    }


def test_a_number_longer_than_python_converts_is_still_shown_whole() -> None:
    assert shown(read(b"[" + b"7" * 5000 + b"]"))["/0"] == ("int", "7" * 5000)


def test_a_repeated_key_is_shown_twice_and_reported() -> None:
    decoded = read(b'{"a": 1, "b": 2, "a": 3}')

    assert decoded.tree is not None
    assert [(child.key, child.text) for child in decoded.tree.children] == [("a", "1"), ("b", "2"), ("a", "3")]
    assert outcome(decoded, "JSON") == "accepted; 'a' stands more than once in one object"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a": NaN}', "NaN is no JSON value"),
        (b"{'a': 1}", "at character 1"),
        (b'{"a": 1} trailing', "at character 9: extra data"),
        (b"\xff\xfe{}", "at byte 0: it is not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(data: bytes, why: str) -> None:
    assert why in outcome(read(data, Content_Type="application/json"), "JSON")


def test_a_lone_surrogate_is_shown_as_its_escape() -> None:
    assert shown(read(b'["\\ud800"]'))["/0"] == ("str", '"\\ud800"')


def test_dag_cbor_shows_links_as_cids_and_bytes_as_hexadecimal() -> None:
    cid = cid_of(encode({"n": 1}))

    decoded = read(encode({"previous": cid, "raw": b"\x00\xff", "amount": 9007199254740993, "ok": True, "none": None, "rate": 0.1}))

    assert decoded.format == "DAG-CBOR"
    assert shown(decoded) == {
        "/ok": ("bool", "true"),
        "/raw": ("bytes", "00ff"),
        "/none": ("null", "null"),
        "/rate": ("float", "0.1"),
        "/amount": ("int", "9007199254740993"),
        "/previous": ("link", str(cid)),
    }
    assert outcome(decoded, "JSON") == "refused at byte 0: it is not UTF-8"


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("a1 61 61 fa 3fc00000", {"/a": ("float", "1.5")}),
        ("82 f9 3c00 f9 7e00", {"/0": ("float", "1.0"), "/1": ("float", "NaN")}),
        ("81 c2 49 010000000000000000", {"/0": ("int", "18446744073709551616")}),
        ("82 3b ffffffffffffffff f7", {"/0": ("int", "-18446744073709551616"), "/1": ("null", "undefined")}),
        ("81 c0 63 6e6f77", {"/0": ("str", '"now"')}),
        ("a1 01 f7", {"/1": ("null", "undefined")}),
        ("9f 5f 41 01 42 0203 ff 7f 61 61 61 62 ff ff", {"/0": ("bytes", "010203"), "/1": ("str", '"ab"')}),
        ("bf 61 61 f0 ff", {"/a": ("simple", "simple(16)")}),
    ],
)
def test_cbor_that_is_not_dag_cbor_is_read_by_the_wider_reader(octets: str, expected: dict[str, tuple[str, str]]) -> None:
    decoded = read(bytes.fromhex(octets))

    assert decoded.format == "CBOR"
    assert shown(decoded) == expected
    assert outcome(decoded, "DAG-CBOR").startswith("refused")


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("81 01 ff", "at byte 2: 1 more bytes after its end"),
        ("82 01", "it ends in the middle of an item|2 entries are announced"),
        ("9b ffffffffffffffff 01", "entries are announced, and fewer bytes are left"),
        ("81 ff", "an end without a beginning"),
        ("bf 01 ff", "a map with a key and no value"),
        ("81 1c", "written in a reserved way"),
        ("81 61 ff", "a text that is not UTF-8"),
        ("81 " * 300 + "01", "more than 128 items inside each other"),
        ("81 f8 10", "written in two bytes instead of one"),
    ],
)
def test_what_is_no_cbor_is_refused_with_the_place(octets: str, why: str) -> None:
    told = outcome(read(bytes.fromhex(octets)), "CBOR")

    assert any(words in told for words in why.split("|"))


def test_short_text_is_not_taken_for_cbor_that_it_is_by_chance() -> None:
    decoded = read(b"a!")

    assert (decoded.format, decoded.text) == ("text", "a!")
    assert outcome(decoded, "CBOR") == "not tried: it is text"


def test_what_a_writer_declared_is_tried_first() -> None:
    decoded = read(b"17", Content_Type="application/cbor; charset=x")

    assert decoded.declared == "CBOR"
    assert decoded.attempts[0].reader == "CBOR"


def test_a_wrong_declaration_is_reported_and_the_bytes_are_still_read() -> None:
    decoded = read(encode({"a": 1}), content_type="application/json")

    assert (decoded.declared, decoded.format) == ("JSON", "DAG-CBOR")


def test_message_pack_is_said_to_be_untried() -> None:
    assert outcome(read(bytes(range(128, 256))), "MessagePack") == "not tried: no decoder for it is installed"


def test_bytes_that_nobody_reads_stay_bytes_with_every_refusal_told() -> None:
    decoded = read(b"\xff\x00\xfe" * 10)

    assert decoded.format == "bytes"
    assert [attempt.reader for attempt in decoded.refusals] == ["JSON", "DAG-CBOR", "CBOR", "MessagePack", "text"]


def test_text_with_control_characters_is_shown_as_bytes() -> None:
    assert outcome(read(b"abc\x00def"), "text") == "refused at character 3: the control character 0x00"


def test_an_empty_payload_is_told_as_such() -> None:
    assert read(b"").format == "empty"


def test_a_large_payload_is_cut_until_all_is_asked_for() -> None:
    data = b"[" + b",".join(b'{"n": %d, "text": "xxxxxxxxxxxxxxxxxxxx"}' % number for number in range(5000)) + b"]"

    cut, whole = decode_payload(data, {}), decode_payload(data, {}, is_full=True)

    assert cut.is_cut
    assert not whole.is_cut
    assert cut.tree is not None
    assert whole.tree is not None
    assert cut.tree.hidden == 5000 - len(cut.tree.children) > 4000
    assert len(whole.tree.children) == 5000


def test_a_long_text_inside_is_cut_with_what_is_left_told() -> None:
    decoded = read(b'{"text": "' + b"x" * 50_000 + b'"}')

    assert decoded.is_cut
    assert decoded.tree is not None
    assert "more not shown" in tree_html(decoded.tree)


def test_deep_nesting_neither_fails_nor_fills_the_page() -> None:
    decoded = read(b"[" * 800 + b"]" * 800)

    assert decoded.tree is not None
    assert tree_html(decoded.tree).count("<details") <= 101


def test_nothing_of_a_payload_reaches_the_page_as_markup() -> None:
    decoded = read(b'{"<img src=x onerror=alert(1)>": "</code><script>alert(1)</script>", "b": ["\\"&\'"]}')

    assert decoded.tree is not None
    html = tree_html(decoded.tree)
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_a_hex_dump_has_offsets_and_characters() -> None:
    assert dump(b"0123456789abcdef<\x00>").text.splitlines() == [
        "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef",
        "00000010  3c 00 3e                                          <.>",
    ]


def test_a_hex_dump_is_cut_until_all_is_asked_for() -> None:
    assert dump(bytes(50_000)).hidden == 30_000
    assert dump(bytes(50_000), is_full=True).hidden == 0
