"""CARs that are damaged or made to harm: whoever reads them says in a sentence what is wrong, and nothing of them is taken."""

from __future__ import annotations

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidInput
from apps.persistence.events import Head, NewEvent
from apps.persistence.operations import ImportEvents
from apps.persistence.registry import Registry
from apps.persistence.store import Store, append, get_stream
from apps.persistence.transfer import ensure_files, new_nuid
from apps.persistence.transfer.car import write_section
from apps.persistence.transfer.exporting import preamble

from .bad_cars import bad_cars
from .evidence_stage import refusal
from .made_evidence import MadeLog
from .operating import carry_out
from .raw_stream import ORDER, make_chain
from .transferring import read_file, upload

BLOCKS = [event.to_block() for event in make_chain(ORDER, 3)]
EXPORT = preamble({"kind": "export"}) + b"".join(write_section(cid_of(block), block) for block in BLOCKS)
EVIDENCE = MadeLog().evidence(slice(0, 5)).data

READER = {
    "empty": "The file is empty",
    "header cut off": "header is cut off",
    "header of length 0": "header says that it is 0 bytes long",
    "header that is none": "header is not strict DAG-CBOR",
    "header of a CARv2": "This is a CARv2 file, and only CARv1 is read",
    "header without roots": "header is not {roots, version: 1}",
    "header of another version": "header is not {roots, version: 1}",
    "section cut off": "is cut off",
    "length cut off": "is cut off within its length",
    "length of ten bytes": "its length in more than 9 bytes",
    "length beyond 2^63": "its length in more than 9 bytes",
    "length of 2^62": "says that it is 4,611,686,018,427,387,904 bytes long; at most",
    "length not in its shortest form": "its length not in its shortest form",
    "section of length 0": "has the length 0",
    "padded with zeros": "has the length 0; a section holds a CID and a block. Was the file padded?",
    "block of length 0": "is no event",
    "wrong hash": "does not have the hash of its CID",
    "a hash that cannot be checked": "whose hash 0x13 cannot be checked",
    "section without a CID": "does not begin with a CID",
}
VERIFIER = {
    "empty": "the file is empty",
    "header cut off": "cut off within its header, or is no CAR",
    "header of length 0": "cut off within its header, or is no CAR",
    "header that is none": "",
    "header of a CARv2": "the file is a CARv2, and only CARv1 is read",
    "header without roots": "the file is no CARv1",
    "header of another version": "the file is no CARv1",
    "section cut off": "the file is cut off",
    "length cut off": "the file is cut off",
    "length of ten bytes": "a length in the file has more than 9 bytes",
    "length beyond 2^63": "a length in the file has more than 9 bytes",
    "length of 2^62": "the file is cut off",
    "length not in its shortest form": "a length in the file is not in its shortest form",
    "section of length 0": "a section of the file is empty",
    "padded with zeros": "a section of the file is empty",
    "block of length 0": "a section of the file holds no block",
    "wrong hash": "a block of the file does not have the hash of its CID",
    "a hash that cannot be checked": "a section of the file holds no block",
    "section without a CID": "a section of the file holds no block",
    "two roots": "the file does not have one root",
    "no root": "the file does not have one root",
    "root that is not there": "the root of the file is not in it",
    "block twice": "is there twice",
}


@pytest.mark.parametrize("what", READER)
async def test_reader_of_files_refuses(what: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await read_file(bad_cars(EXPORT)[what])

    assert READER[what] in str(refused.value)


@pytest.mark.parametrize("what", VERIFIER)
def test_verifier_of_evidence_refuses(what: str) -> None:
    said = refusal(bad_cars(EVIDENCE)[what])

    assert said
    assert VERIFIER[what] in said


async def bring(store: Store, data: bytes) -> str:
    """Import these bytes into a stream that has other events, and say what came of it."""
    await ensure_files(store.connection)
    name = f"{new_nuid()}.car"
    await upload(store, name, data)
    return (await carry_out(store, Registry(), ImportEvents(file=name, stream=store.layout.stream))).sentence


async def test_import_stores_nothing_of_a_file_that_is_wrong_anywhere(store: Store) -> None:
    await append(store, Head(aggregate=ORDER), [NewEvent(type="created")])
    before = (await get_stream(store.connection, store.layout.stream)).last_sequence

    for what, reason in READER.items():
        with pytest.raises(InvalidInput) as refused:
            await bring(store, bad_cars(EXPORT)[what])
        assert reason in str(refused.value), what

    assert (await get_stream(store.connection, store.layout.stream)).last_sequence == before


@pytest.mark.parametrize("what", ["two roots", "root that is not there"])
async def test_import_takes_the_events_whatever_roots_the_file_has_beside_its_own(store: Store, what: str) -> None:
    assert "3 stored, 0 already there" in await bring(store, bad_cars(EXPORT)[what])


@pytest.mark.parametrize(
    ("what", "reason"), [("no root", "is no event"), ("block twice", "has version 3 in the section at byte .* behind version 3")]
)
async def test_import_refuses_a_manifest_that_is_no_root_and_an_event_that_is_there_twice(store: Store, what: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        await bring(store, bad_cars(EXPORT)[what])


async def test_evidence_is_not_imported(store: Store) -> None:
    with pytest.raises(InvalidInput, match="The file is evidence; its verifier checks it, and it is not imported"):
        await bring(store, EVIDENCE)
