"""This module is the tests of what a pasted text can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef
from apps.search.reading import (
    LONGEST,
    Aggregate,
    AggregateId,
    AggregateType,
    Correlation,
    ForeignCid,
    Name,
    NoCid,
    OurCid,
    Reading,
    Sequence,
    Subject,
    read_text,
)

CID = cid_of(b"\xa0")
UUID = "0193e000-0000-7000-8000-000000000001"


def read(text: str) -> list[Reading]:
    return list(read_text(text, stream="CIM-EVENTS"))


@pytest.mark.parametrize("text", ["812345", " 812345 ", "812,345", "812 345"])
def test_a_number_is_a_sequence_of_the_stream_one_looks_at(text: str) -> None:
    assert read(text)[0] == Sequence(stream="CIM-EVENTS", sequence=812_345)


@pytest.mark.parametrize("text", ["ORDERS:812345", "ORDERS#812345", "ORDERS: 812,345"])
def test_a_stream_before_the_number_wins(text: str) -> None:
    assert read(text)[0] == Sequence(stream="ORDERS", sequence=812_345)


def test_a_number_may_be_an_id_as_well() -> None:
    assert read("42") == [Sequence(stream="CIM-EVENTS", sequence=42), AggregateId(id="42"), Name(name="42")]


def test_zero_and_numbers_beyond_any_stream_are_no_sequences() -> None:
    assert not any(isinstance(one, Sequence) for one in [*read("0"), *read("9" * 30)])


def test_our_own_cid_is_recognised() -> None:
    assert read(str(CID))[0] == OurCid(cid=CID)


def test_our_own_cid_in_another_base_is_the_same_cid() -> None:
    assert read("f" + CID.raw.hex())[0] == OurCid(cid=CID)


def test_a_foreign_cid_is_described() -> None:
    (one,) = [one for one in read("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG") if isinstance(one, ForeignCid)]

    assert (one.description.version, one.description.codec, one.description.hash) == (0, "dag-pb", "sha2-256")


def test_a_cid_that_lost_a_letter_says_why_it_is_none() -> None:
    (one,) = [one for one in read(str(CID)[:-1]) if isinstance(one, NoCid)]

    assert "is not a CID" in one.reason


def test_three_tokens_name_an_aggregate() -> None:
    assert read("sales.order.o1")[0] == Aggregate(ref=AggregateRef("sales", "order", "o1"), version=None)


def test_a_version_can_follow_the_name() -> None:
    assert read("sales.order.o1@12")[0] == Aggregate(ref=AggregateRef("sales", "order", "o1"), version=12)


def test_two_tokens_name_a_type() -> None:
    assert read("sales.order") == [AggregateType(context="sales", type="order")]


@pytest.mark.parametrize("text", ["cim.events.sales.order.o1.created.v1", "orders.*.paid", "orders.>"])
def test_more_tokens_are_a_subject_or_a_pattern(text: str) -> None:
    assert Subject(subject=text) in read(text)


def test_a_uuid_is_a_correlation_and_may_be_an_id() -> None:
    assert read(UUID.upper())[0] == Correlation(id=UUID)
    assert AggregateId(id=UUID) in read(UUID)


@pytest.mark.parametrize("text", ["", "  ", "<script>", "a b c", "é", "\x00", "..", "a..b"])
def test_what_cannot_be_anything_is_read_as_nothing_or_a_name(text: str) -> None:
    assert [one for one in read(text) if not isinstance(one, Name)] == []


def test_what_is_too_long_to_be_anything_is_refused() -> None:
    with pytest.raises(InvalidInput, match="paste one of them at a time"):
        read("a" * (LONGEST + 1))


@given(st.text(max_size=80))
def test_no_text_breaks_the_reading(text: str) -> None:
    read(text)
