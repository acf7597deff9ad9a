"""This module is the tests of forms whose JSON cannot be taken: what is wrong is said beside the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from apps.aggregates.entering import read_form
from apps.domain.cqrs import command

DEEP = "A list or map nested more than 128 deep"
TWICE = "The name 'a' stands twice in the same object; keep one of them."


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is known."""

    facts: Any = None
    counts: dict[str, int] | None = None


NOTE = command(Note, lambda state, given: [])


def errors_of(**given: str) -> str:
    form = read_form(NOTE, given)
    return " ".join([*form.errors, *(error for entry in form.entries for error in entry.errors)])


@pytest.mark.parametrize("levels", [129, 3_000, 200_000])
def test_json_nested_too_deep_is_refused_whatever_its_depth(levels: int) -> None:
    assert errors_of(facts="[" * levels + "]" * levels).startswith(DEEP)


@pytest.mark.parametrize("typed", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "a": 1}}]'])
def test_an_object_with_a_name_twice_is_refused(typed: str) -> None:
    assert errors_of(facts=typed) == TWICE


def test_named_lines_with_a_name_twice_are_refused() -> None:
    assert errors_of(counts="a = 1\na = 2") == TWICE


def test_an_object_whose_names_differ_is_read() -> None:
    assert read_form(NOTE, {"facts": '{"a": {"a": 1}}'}).payload == {"facts": {"a": {"a": 1}}}
