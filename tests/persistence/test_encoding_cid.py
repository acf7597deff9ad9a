"""This module is the tests of CIDs: our one profile, its one text, and the description of foreign ones."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import CID, multihash

from apps.persistence.encoding import Cid, cid_of, describe_cid
from apps.persistence.errors import InvalidCid

TEXT = "bafyr4ifoouydgppliol7ogym5kjdkmozjbhonytpmjvrtbinxd323ctzzm"
OURS = cid_of(b"a block")
FOREIGN = "bafyreig3vhfwxvxnfj77kzmwqkxm7uncmbhjkuqmfhfdnq4p4ikvoen6pm"
VERSION_0 = "QmRgutAxd8t7oGkSm4wmeuByG6M51wcTso6cubDdQtuEfL"


@given(st.binary(max_size=2_000))
def test_a_cid_is_the_one_that_multiformats_makes(block: bytes) -> None:
    oracle = CID("base32", 1, "dag-cbor", multihash.digest(block, "blake3", size=32))

    cid = cid_of(block)

    assert (cid.raw, str(cid)) == (bytes(oracle), str(oracle))


@given(st.binary(max_size=100))
def test_text_and_bytes_of_a_cid_lead_back_to_it(block: bytes) -> None:
    cid = cid_of(block)

    assert (Cid.parse(str(cid)), Cid.from_bytes(cid.raw)) == (cid, cid)


def test_the_text_of_a_cid_is_lower_case_base32() -> None:
    assert str(cid_of(b"a block")) == TEXT


def test_cids_are_values_ordered_by_their_bytes() -> None:
    low, high = Cid(OURS.raw[:4] + b"\x00" * 32), Cid(OURS.raw[:4] + b"\xff" * 32)

    assert sorted({high, low, Cid(high.raw)}) == [low, high]


def test_a_cid_is_never_equal_to_bytes_or_text() -> None:
    assert OURS not in (OURS.raw, str(OURS))


def test_a_cid_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        OURS.raw = b""  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        str(OURS).upper(),
        str(OURS)[:-1],
        str(OURS) + "a",
        str(OURS) + "=",
        " " + str(OURS)[1:],
        str(OURS).replace("bafy", "baFy"),
        str(OURS)[:20] + "1" + str(OURS)[21:],
        str(OURS)[:20] + "ß" + str(OURS)[21:],
        "B" + str(OURS)[1:],
        "z" + str(OURS)[1:],
        FOREIGN,
        VERSION_0,
        "bafkr4i" + str(OURS)[7:],
    ],
)
def test_parse_refuses_all_but_the_canonical_text_of_our_profile(text: str) -> None:
    with pytest.raises(InvalidCid, match="is no CID of ours; it must be 59 characters of lower-case base32 beginning with bafyr4i"):
        Cid.parse(text)


def test_parse_refuses_padding_bits_that_are_not_zero() -> None:
    last = "abcdefghijklmnopqrstuvwxyz234567"["abcdefghijklmnopqrstuvwxyz234567".index(str(OURS)[-1]) + 1]

    with pytest.raises(InvalidCid):
        Cid.parse(str(OURS)[:-1] + last)


@pytest.mark.parametrize("text", [None, 7, OURS, OURS.raw])
def test_parse_refuses_what_is_not_text(text: Any) -> None:
    with pytest.raises(InvalidCid):
        Cid.parse(text)


@given(st.text(max_size=70))
def test_parse_raises_nothing_but_invalid_cid(text: str) -> None:
    with pytest.raises(InvalidCid):
        Cid.parse(text)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        OURS.raw[:-1],
        OURS.raw + b"\x00",
        b"\x01\x55" + OURS.raw[2:],
        b"\x01\x71\x12\x20" + OURS.raw[4:],
        b"\x00" + OURS.raw,
        OURS.raw[4:],
    ],
)
def test_from_bytes_refuses_another_profile(raw: bytes) -> None:
    with pytest.raises(InvalidCid, match="is no CID of ours; it must be 36 bytes beginning with 01711e20"):
        Cid.from_bytes(raw)


@pytest.mark.parametrize("raw", [None, str(OURS), bytearray(OURS.raw)])
def test_from_bytes_refuses_what_is_not_bytes(raw: Any) -> None:
    with pytest.raises(InvalidCid, match="pass the 36 raw bytes"):
        Cid.from_bytes(raw)


def test_our_own_cid_is_described_as_ours() -> None:
    description = describe_cid(str(OURS))

    assert (description.is_ours, description.version, description.base, description.codec, description.hash, description.cid) == (
        True,
        1,
        "base32",
        "dag-cbor",
        "blake3",
        OURS,
    )


def test_a_foreign_cid_is_described() -> None:
    description = describe_cid(FOREIGN)

    assert (description.is_ours, description.hash, description.digest.hex(), str(description.cid)) == (
        False,
        "sha2-256",
        "dba9cb6bd6ed2a7ff5659682aecfd1a2604e95520c29ca36c38fe2155711be7b",
        FOREIGN,
    )


def test_a_version_0_cid_is_described_and_keeps_its_text() -> None:
    description = describe_cid(VERSION_0)

    assert (description.version, description.base, description.codec, str(description.cid)) == (0, "base58btc", "dag-pb", VERSION_0)


@pytest.mark.parametrize(
    "text",
    [
        str(OURS).upper(),
        str(CID.decode(str(OURS)).set(base="base58btc")),
        "f" + OURS.raw.hex(),
        str(CID.decode(str(OURS)).set(base="base64url")),
    ],
)
def test_our_cid_pasted_in_another_base_leads_to_the_canonical_text(text: str) -> None:
    assert describe_cid(text).cid == OURS


def test_a_codec_without_a_name_is_given_by_its_number() -> None:
    assert describe_cid("f01c2fea40f0000").codec == "0x1e93f42"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "bafy",
        "Qm",
        "z" + VERSION_0,
        "f01",
        "f0155000078",
        "f0255000",
        "b" * 1_001,
        "é",
        "\x00abc",
        "🚀abc",
        "baf\u202eyr",
        FOREIGN[:-1],
    ],
)
def test_describe_refuses_what_is_not_a_cid(text: str) -> None:
    with pytest.raises(InvalidCid):
        describe_cid(text)


@given(
    st.one_of(
        st.text(max_size=60), st.binary(max_size=40).map(lambda raw: "f" + raw.hex()), st.from_regex(r"\A[bzmuUfFBkK79][ -~]{0,60}\Z")
    )
)
def test_describe_raises_nothing_but_invalid_cid(text: str) -> None:
    assert find_fault(text) in (None, InvalidCid)


def find_fault(text: str) -> type[Exception] | None:
    try:
        describe_cid(text)
    except InvalidCid as error:
        return type(error)
    return None
