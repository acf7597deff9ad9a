"""This module is the tests of two states as lines: nothing lost, each change marked once, and JSON as it was stored."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from apps.display.differences import MAX_LINES, Lines, compare, show, text_of
from apps.persistence.encoding import Value, cid_of, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def written(lines: Lines) -> list[str]:
    return [f"{line.sign or ' '} {line.indent}{line.key}{line.value}{line.tail} {line.word}".rstrip() for line in lines.lines]


def side(lines: Lines, sign: str) -> str:
    """The text of one of the two states: the unmarked lines and those of its sign."""
    return "".join(f"{line.key}{line.value}{line.tail}" for line in lines.lines if line.sign in ("", sign))


def test_a_changed_field_shows_both_values_and_the_word_once() -> None:
    lines = compare({"total": 112, "status": "draft"}, {"total": 12, "status": "draft"})

    assert written(lines) == ["  {", '    "status": "draft",', '-   "total": 112', '+   "total": 12 changed', "  }"]
    assert lines.changes == 1


def test_an_added_item_is_marked_as_a_whole_and_counts_once() -> None:
    lines = compare({"items": [{"sku": "A"}]}, {"items": [{"sku": "A"}, {"sku": "B", "qty": 2}]})

    assert written(lines)[5:9] == ["+     { added", '+       "qty": 2,', '+       "sku": "B"', "+     }"]
    assert lines.changes == 1


def test_a_removed_field_says_so() -> None:
    assert '-   "discount": "SPRING" removed' in written(compare({"discount": "SPRING"}, {}))


def test_numbers_that_are_written_alike_but_stored_otherwise_differ() -> None:
    assert compare({"n": 1}, {"n": True}).changes == 1
    assert compare({"n": 1}, {"n": 1}).changes == 0


def test_integers_are_exact_and_bytes_and_links_say_what_they_are() -> None:
    cid = cid_of(encode(1))

    assert text_of(9007199254740993) == "9007199254740993"
    assert text_of(b"\x01\xff") == "2 bytes 01ff"
    assert text_of(cid) == f"CID {cid}"


def test_a_state_of_very_many_lines_is_cut_and_says_by_how_many() -> None:
    lines = show(list(range(MAX_LINES + 100)))

    assert len(lines.lines) == MAX_LINES
    assert lines.left_out == 102


def test_long_lists_are_compared_at_their_ends() -> None:
    before: list[Value] = [*range(1_000)]
    after: list[Value] = [*range(500), "new", *range(500, 1_000)]

    assert [line.value for line in compare(before, after).lines if line.sign] == ['"new"']


@given(VALUES)
def test_what_is_shown_alone_is_the_value_in_json(value: Value) -> None:
    assert json.loads(side(show(value), "")) == value


@given(VALUES, VALUES)
def test_the_two_sides_of_a_comparison_hold_all_of_both_values(before: Value, after: Value) -> None:
    lines = compare({"it": before}, {"it": after})

    assert json.loads(side(lines, "+")) == {"it": after}
    assert (lines.changes == 0) == (encode(before) == encode(after))
