"""This module is the tests of an operation's parameters: what a dataclass says to forms, command line and API, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef
from apps.persistence.store.kv import check_key
from apps.persistence.work.operation import build_operation, restore_operation
from apps.persistence.work.parameters import Given, parameters_of, stored_values

from .trial_operations import Count


def test_kinds_follow_from_the_types_of_the_fields() -> None:
    assert {one.name: one.kind for one in parameters_of(Count)} == {
        "to": "number",
        "name": "text",
        "how": "choice",
        "fruit": "choice",
        "fruits": "many",
        "start": "place",
        "note": "lines",
        "most": "number",
        "is_exact": "switch",
    }


def test_what_is_left_out_has_its_default() -> None:
    assert build_operation(Count, {}) == Count()


def test_what_was_given_is_stored_and_restored_the_same() -> None:
    given: Given = {"to": "1,200", "fruits": ["pear", "plum", "pear"], "start": "2 hours ago", "note": "a\nb", "is_exact": "off"}
    built = build_operation(Count, given)

    assert restore_operation({"count": Count}, "count", stored_values(built)) == built
    assert built == Count(to=1200, fruits=("pear", "plum"), start="2 hours ago", note="a\nb", is_exact=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"to": "0"}, "to is 0; it must be at least 1 and at most 100,000."),
        ({"to": "ten"}, "to is 'ten'; it must be a whole number."),
        ({"how": "sideways"}, "how is 'sideways'; it must be one of up, down."),
        ({"start": "soon"}, "start: 'soon' is neither a sequence nor a time"),
        ({"start": "0"}, "start is '0', and sequences begin at 1; write 1 for the first event."),
        ({"colour": "red"}, "Count has no parameter colour."),
    ],
)
def test_value_that_cannot_be_is_refused_by_the_name_of_its_parameter(given: dict[str, str], refusal: str) -> None:
    with pytest.raises(InvalidInput, match=refusal[:40].replace("(", r"\(")):
        build_operation(Count, given)


def test_refusal_holds_no_more_than_the_beginning_of_what_was_given() -> None:
    long = "x" * 100_000
    refused: list[Callable[[], object]] = [
        lambda: build_operation(Count, {long: "red"}),
        lambda: build_operation(Count, {"how": long}),
        lambda: AggregateRef.parse(long),
        lambda: check_key(f"{long} "),
    ]
    for refuse in refused:
        with pytest.raises(InvalidInput) as error:
            refuse()
        assert len(str(error.value)) < 300
