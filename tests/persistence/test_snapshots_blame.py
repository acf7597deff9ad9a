"""Differences of states, and the events to blame for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.persistence.encoding import cid_of, encode
from apps.persistence.errors import InvalidInput, NotFound
from apps.persistence.events.diff import ChangeKind, diff_states
from apps.persistence.snapshots import blame
from apps.persistence.store import append_at
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.baskets import BASKET, BASKET_REF, added, named, removed
from tests.persistence.raw_stream import RawStream, open_raw_stream

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.5, 1.0]), st.sampled_from(["", "a"]), st.just(cid_of(b""))
)
VALUES: Any = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3))


@pytest.fixture
async def raw(nats_server: EmbeddedServer) -> AsyncIterator[RawStream]:
    async with open_raw_stream(nats_server) as stream:
        yield stream


def told(before: Any, after: Any) -> list[tuple[str, str, Any, Any]]:
    return [(change.place, change.kind.value, change.before, change.after) for change in diff_states(before, after)]


def test_fields_are_added_removed_and_changed() -> None:
    assert told({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": None}) == [
        ("a", "removed", 1, None),
        ("c", "changed", 3, 4),
        ("d", "added", None, None),
    ]


def test_a_change_deep_inside_has_its_whole_path() -> None:
    before = {"order": {"lines": [{"sku": "A", "amount": 1}, {"sku": "B", "amount": 1}]}}
    after = {"order": {"lines": [{"sku": "A", "amount": 1}, {"sku": "B", "amount": 3}]}}

    (change,) = diff_states(before, after)

    assert (change.path, change.place) == (("order", "lines", 1, "amount"), "order.lines[1].amount")


def test_an_item_taken_from_the_middle_is_one_removal() -> None:
    assert told(["a", "b", "c", "d"], ["a", "c", "d"]) == [("[1]", "removed", "b", None)]


def test_an_item_put_into_the_middle_is_one_addition() -> None:
    assert told(["a", "c"], ["a", "b", "c"]) == [("[1]", "added", None, "b")]


def test_numbers_and_truths_of_different_types_differ() -> None:
    assert told({"a": 1, "b": 1, "c": 0}, {"a": 1.0, "b": True, "c": False}) == [
        ("a", "changed", 1, 1.0),
        ("b", "changed", 1, True),
        ("c", "changed", 0, False),
    ]


def test_a_value_of_another_kind_is_changed_as_a_whole() -> None:
    assert told({"a": [1]}, {"a": {"b": 1}}) == [("a", "changed", [1], {"b": 1})]


@settings(max_examples=300, deadline=None)
@given(before=VALUES, after=VALUES)
def test_there_is_a_difference_exactly_where_the_blocks_differ(before: Any, after: Any) -> None:
    assert (diff_states(before, after) == []) == (encode(before) == encode(after))


@settings(max_examples=300, deadline=None)
@given(before=VALUES, after=VALUES)
def test_a_difference_read_backwards_has_the_same_places_with_sides_exchanged(before: Any, after: Any) -> None:
    there = {(change.path, encode(change.before), encode(change.after)) for change in diff_states(before, after)}
    back = {(change.path, encode(change.after), encode(change.before)) for change in diff_states(after, before)}

    assert there == back


# -- blame -----------------------------------------------------------------------------------------------------------------------------


async def test_blame_names_the_last_event_that_changed_each_place(raw: RawStream) -> None:
    await append_at(
        raw.store, BASKET_REF, 0, [added("apple"), named("one", actor="ada"), named("two", actor="bob"), added("pear", actor="eve")]
    )

    found = await blame(raw.store, BASKET, BASKET_REF, from_version=1, to_version=4)

    assert [(one.change.place, one.change.kind, one.version, one.event_type, one.actor) for one in found] == [
        ("count", ChangeKind.CHANGED, 4, "added", "eve"),
        ("items[1]", ChangeKind.ADDED, 4, "added", "eve"),
        ("name", ChangeKind.ADDED, 3, "named", "bob"),
    ]


async def test_blame_leaves_out_what_was_changed_and_changed_back(raw: RawStream) -> None:
    await append_at(raw.store, BASKET_REF, 0, [named("one"), added("apple"), removed("apple"), named("two")])

    found = await blame(raw.store, BASKET, BASKET_REF, from_version=1, to_version=4)

    assert [(one.change.place, one.version) for one in found] == [("name", 4)]


async def test_blame_of_items_that_moved_names_the_last_change_of_their_list(raw: RawStream) -> None:
    await append_at(raw.store, BASKET_REF, 0, [added("a"), added("b"), added("c"), removed("a")])

    found = await blame(raw.store, BASKET, BASKET_REF, from_version=2, to_version=4)

    assert [(one.change.place, one.change.before, one.change.after, one.version) for one in found] == [
        ("items[0]", "a", "b", 4),
        ("items[1]", "b", "c", 4),
    ]


async def test_blame_needs_the_lower_version_first_and_versions_that_exist(raw: RawStream) -> None:
    await append_at(raw.store, BASKET_REF, 0, [added("a"), added("b")])

    with pytest.raises(InvalidInput, match="2 is not below 2"):
        await blame(raw.store, BASKET, BASKET_REF, from_version=2, to_version=2)
    with pytest.raises(NotFound, match="is at version 2; there is no version 7 yet"):
        await blame(raw.store, BASKET, BASKET_REF, from_version=1, to_version=7)
