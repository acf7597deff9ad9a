"""This module is the tests of the block format against what others publish."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from multiformats import CID, multihash

from apps.persistence.encoding import cid_of, decode, encode
from apps.persistence.encoding.exact_decoder import decode_exactly
from apps.persistence.encoding.exact_encoder import encode_exactly
from apps.persistence.errors import EncodingError
from tests.fixtures import FIXTURES

VALID = sorted((FIXTURES / "dag-cbor" / "valid").glob("*/*.dag-cbor"))
INVALID = [
    pytest.param(bytes.fromhex(case["hex"]), id=case["name"])
    for file in sorted((FIXTURES / "dag-cbor" / "invalid").rglob("*.json"))
    for case in json.loads(file.read_text())
]

pytestmark = pytest.mark.usefixtures("fixtures_dir")


def make_blake3_input(length: int) -> bytes:
    """The input of the published vectors: 0, 1 … 250, 0, 1 …"""
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def blake3_vectors() -> list[tuple[int, str]]:
    file = FIXTURES / "blake3" / "test_vectors.json"
    return [(case["input_len"], case["hash"][:64]) for case in json.loads(file.read_text())["cases"]] if file.is_file() else []


def test_the_published_blocks_are_all_there() -> None:
    assert (len(VALID), len(INVALID), len(blake3_vectors())) == (125, 1, 35)


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.parent.name)
def test_a_published_block_decodes_and_encodes_to_the_same_bytes(file: Path) -> None:
    block = file.read_bytes()

    value = decode(block)

    assert encode(value) == block


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.parent.name)
def test_the_exact_codec_agrees_on_a_published_block(file: Path) -> None:
    block = file.read_bytes()

    value = decode_exactly(block)

    assert (repr(value), encode_exactly(value)) == (repr(decode(block)), block)


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.parent.name)
def test_a_published_block_has_the_cid_that_it_is_named_by(file: Path) -> None:
    block = encode(decode(file.read_bytes()))

    cid = CID("base32", 1, "dag-cbor", multihash.digest(block, "sha2-256"))

    assert str(cid) == file.stem


@pytest.mark.parametrize("block", INVALID)
def test_a_published_malformed_block_is_refused(block: bytes) -> None:
    with pytest.raises(EncodingError):
        decode(block)


@pytest.mark.parametrize(("length", "digest"), blake3_vectors())
def test_a_cid_holds_the_published_blake3_hash(length: int, digest: str) -> None:
    assert cid_of(make_blake3_input(length)).raw.hex() == f"01711e20{digest}"
