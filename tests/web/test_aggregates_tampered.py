"""This module is the tests of aggregates that were tampered with: each fault is named at its version, and no page breaks."""

from __future__ import annotations

import pytest

from .aggregate_stage import TAMPERED
from .conftest import Home, Visitor
from .test_aggregates_page import ROW, made, page, stage, words

__all__ = ["made", "stage"]


def states(text: str) -> dict[str, str]:
    return {version: state for state, _, version in reversed(ROW.findall(text))}


def tampered(way: str, more: str = "") -> str:
    return f"/aggregates/sales.order/{way}/{TAMPERED}{more}"


@pytest.mark.parametrize(
    ("way", "state", "title"),
    [
        ("content-changed", "content_changed", "v4 does not hash to its own CID."),
        ("link-broken", "link_broken", "v4 does not link to the version before it."),
        ("wrong-place", "misplaced", "v4 lies in the wrong place."),
        ("undecodable-bytes", "undecodable", "v4 cannot be decoded."),
    ],
)
def test_a_fault_is_named_at_the_top_and_marked_in_the_history(viewer: Visitor, stage: Home, way: str, state: str, title: str) -> None:
    text = page(viewer, tampered(way))

    assert title in words(text)
    assert "Chain broken at v4" in words(text)
    assert states(text) == {"1": "linked", "2": "linked", "3": "linked", "4": state, "5": "linked", "6": "linked", "7": "linked"}


def test_a_missing_version_leaves_a_row_that_says_so(viewer: Visitor, stage: Home) -> None:
    text = words(page(viewer, tampered("missing-version")))

    assert "v4 is missing." in text
    assert "v4 Not stored Nothing in the stream is this version. Missing" in text


def test_the_page_of_a_missing_version_says_that_nothing_is_stored(viewer: Visitor, stage: Home) -> None:
    text = words(page(viewer, tampered("missing-version", "&version=4")))

    assert "v4 is missing, so what it changed is not known." in text
    assert "v4 is not stored" in text


def test_a_version_that_is_stored_twice_has_two_rows(viewer: Visitor, stage: Home) -> None:
    text = page(viewer, tampered("duplicate-version"))

    assert "v4 is stored twice." in words(text)
    assert [(version, state) for state, _, version in ROW.findall(text)].count(("4", "duplicate_version")) == 1
    assert [version for _, _, version in ROW.findall(text)].count("4") == 2


def test_bytes_that_are_no_event_are_shown_in_hex_with_the_reason(viewer: Visitor, stage: Home) -> None:
    text = words(page(viewer, tampered("undecodable-bytes", "&version=4")))

    assert "Problem Not strict DAG-CBOR at byte" in text
    assert "000000" in text
    assert "The state cannot be folded" in text


def test_a_state_that_rests_on_a_changed_event_says_so(viewer: Visitor, stage: Home) -> None:
    assert "This state rests on a broken chain: v4 does not hash to its own CID." in words(page(viewer, tampered("content-changed")))
    assert "rests on a broken chain" not in words(page(viewer, tampered("content-changed", "&version=3")))


def test_a_verdict_on_a_broken_chain_counts_what_it_found(auditor: Visitor, stage: Home) -> None:
    assert "1 finding 7 events read again" in words(page(auditor, tampered("content-changed", "&verify=1")))


def test_the_intact_order_beside_them_is_intact(viewer: Visitor, stage: Home) -> None:
    assert "Chain intact" in words(page(viewer, tampered("intact")))


def test_the_links_of_the_page_stay_in_the_stream(viewer: Visitor, stage: Home) -> None:
    assert f'href="/aggregates/sales.order/intact/{TAMPERED}&amp;version=3"' in page(viewer, tampered("intact"))
