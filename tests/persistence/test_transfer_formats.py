"""JSON Lines and CAR: what is written can be read back byte for byte, and whatever is wrong with a file is said with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.persistence.encoding import Cid, cid_of, decode, encode
from apps.persistence.errors import InvalidInput
from apps.persistence.store import Message
from apps.persistence.transfer import ByteReader
from apps.persistence.transfer.car import read_header, read_section, write_header, write_section
from apps.persistence.transfer.dag_json import from_json, read_line, to_json, write_line
from apps.persistence.transfer.exporting import preamble
from apps.persistence.transfer.lines import line_of

from .raw_stream import ORDER, make_chain, make_event
from .transferring import HARD, read_file

BLOCKS = [event.to_block() for event in make_chain(ORDER, 3)]


def message(data: bytes, sequence: int = 1) -> Message:
    return Message("EVENTS", "cim.events.sales.order.o1.item_added.v1", sequence, 1_700_000_000_000_000_000, b"", data)


def car(*blocks: bytes) -> bytes:
    return preamble({"kind": "export"}) + b"".join(write_section(cid_of(block), block) for block in blocks)


def line(**changes: object) -> bytes:
    """The line of the first event, with some fields changed; None takes one away."""
    fields = json.loads(line_of(message(BLOCKS[0]))) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode() + b"\n"


# -- what is written is read back ------------------------------------------------------------------------------------------------------


async def test_line_gives_back_the_very_block_of_an_event_with_values_that_plain_json_would_lose() -> None:
    block = make_event(ORDER, 1, None, HARD).to_block()

    (event,) = await read_file(line_of(message(block)))

    assert event.data == block


async def test_line_names_where_the_event_was_stored_and_its_cid() -> None:
    fields = json.loads(line_of(message(BLOCKS[0], sequence=41)))

    assert fields["source"]["stream"] == "EVENTS"
    assert fields["source"]["sequence"] == 41
    assert fields["source"]["stored_at"] == "2023-11-14T22:13:20.000000Z"
    assert fields["cid"] == str(cid_of(BLOCKS[0]))


async def test_payload_with_the_key_that_dag_json_keeps_for_itself_is_written_as_bytes() -> None:
    block = make_event(ORDER, 1, None, {"/": "taken"}).to_block()

    written = line_of(message(block))

    assert "event" not in json.loads(written)
    assert (await read_file(written))[0].data == block


async def test_car_gives_back_every_block_in_order() -> None:
    events = await read_file(car(*BLOCKS))

    assert [event.data for event in events] == BLOCKS


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
        .filter(lambda number: number != 0 or str(number) == "0.0") | st.text() | st.binary(max_size=40) | st.binary().map(cid_of),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text().filter(lambda key: key != "/"), inner, max_size=4),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_value_survives_dag_json(value: object) -> None:
    block = encode(value)  # type: ignore[arg-type]

    assert encode(from_json(read_line(write_line(to_json(decode(block)))))) == block


async def test_fixture_of_others_is_read_with_its_roots_and_blocks(fixtures_dir: Path) -> None:
    expected = json.loads((fixtures_dir / "car" / "carv1-basic.json").read_text())

    async def chunks():  # type: ignore[no-untyped-def]
        yield (fixtures_dir / "car" / "carv1-basic.car").read_bytes()

    reader = ByteReader(chunks())
    roots = await read_header(reader)
    found = []
    while (section := await read_section(reader)) is not None:
        found.append((section.offset, str(section.cid)))

    assert [str(root) for root in roots] == [root["/"] for root in expected["header"]["roots"]]
    assert found == [(block["offset"], block["cid"]["/"]) for block in expected["blocks"]]


# -- lines that are refused ------------------------------------------------------------------------------------------------------------


LINES = {
    "no JSON": (b"{nothing\n", "line 1 cannot be brought in: This is not JSON"),
    "not UTF-8": (b"{ \xff}\n", "line 1 cannot be brought in: This is not JSON"),
    "a list": (b" []\n", "must be a map with"),
    "no CID": (line(cid=None), "must be a map with"),
    "neither event nor data": (line(event=None), "must be a map with"),
    "another CID": (line(cid=str(cid_of(b"else"))), "the event or its CID was changed"),
    "changed event": (line(event={"version": 2}), "the event or its CID was changed"),
    "data that is no block": (line(event=None, data={"/": {"bytes": "AA"}}, cid=str(cid_of(b"\0"))), "not the map of an event"),
    "data that is no bytes": (line(event=None, data="AA"), '"data" must be'),
    "bad base64": (line(event=None, data={"/": {"bytes": "A*"}}), "is not base64"),
    "bad link": (line(event={"/": "nothing"}), "holds no CID"),
    "slash among others": (line(event={"/": "a", "b": 1}), 'A map with the key "/" must be'),
    "NaN": (b'{"cid": NaN}\n', "NaN is no value"),
    "key twice": (b'{"cid": "a", "cid": "b"}\n', "stands twice"),
    "nested too deeply": (b'{"a":' + b"[" * 200_000 + b"\n", "This is not JSON"),
}


@pytest.mark.parametrize("name", LINES)
async def test_line_is_refused(name: str) -> None:
    written, reason = LINES[name]

    with pytest.raises(InvalidInput, match=reason):
        await read_file(written, piece=4096)


async def test_refusal_names_the_line() -> None:
    with pytest.raises(InvalidInput, match="event in line 3 cannot"):
        await read_file(line() + b"\n" + b"{}\n")


async def test_line_longer_than_any_event_is_refused_without_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.persistence.transfer.lines.MAX_LINE", 1000)

    with pytest.raises(InvalidInput, match="line at byte 0 is longer than 1,000 bytes"):
        await read_file(b"{" + b" " * 5000, piece=100)


# -- CARs that are refused -------------------------------------------------------------------------------------------------------------


SECTION = write_section(cid_of(BLOCKS[0]), BLOCKS[0])
FOREIGN = Cid(bytes([1, 0x71, 0x13, 2, 0, 0]))
HEADER = write_header([])


def with_length(header: bytes) -> bytes:
    return bytes([len(header)]) + header


CARS = {
    "empty": (b"", "The file is empty"),
    "version 2": (bytes.fromhex("0aa16776657273696f6e02"), "This is a CARv2 file, and only CARv1 is read"),
    "header cut off": (HEADER[:5], "header is cut off: 4 of 17 bytes"),
    "header of length 0": (b"\0", "header says that it is 0 bytes long"),
    "huge header": (b"\xff\xff\xff\xff\x0f", "header says that it is 4,294,967,295 bytes long"),
    "header of other bytes": (b"\x03abc", "header is not strict DAG-CBOR"),
    "header without roots": (with_length(encode({"version": 1})), r"header is not \{roots, version: 1\}"),
    "roots that are no CIDs": (with_length(encode({"roots": [1], "version": 1})), "not a list of CIDs"),
    "section of length 0": (HEADER + b"\0", "section at byte 18 has the length 0"),
    "section cut off": (HEADER + SECTION[:-1], "section at byte 18 is cut off: 3.. of 3.. bytes"),
    "length cut off": (HEADER + b"\x80", "cut off within its length"),
    "huge varint": (HEADER + b"\xff" * 10, "its length in more than 9 bytes"),
    "padded varint": (HEADER + b"\x81\x00", "its length not in its shortest form"),
    "huge section": (HEADER + b"\xff\xff\xff\xff\x0f", "says that it is 4,294,967,295 bytes long"),
    "no CID": (HEADER + b"\x02\x05\x05", "does not begin with a CID"),
    "changed block": (HEADER + SECTION[:-1] + b"\0", "does not have the hash of its CID"),
    "a hash that cannot be checked": (HEADER + b"\x06" + FOREIGN.raw, "whose hash 0x13 cannot be checked"),
    "a block that is no event": (HEADER + write_section(cid_of(b"\xa0"), b"\xa0"), "is no event"),
}


@pytest.mark.parametrize("name", CARS)
async def test_car_is_refused(name: str) -> None:
    written, reason = CARS[name]

    with pytest.raises(InvalidInput, match=reason):
        await read_file(written)
