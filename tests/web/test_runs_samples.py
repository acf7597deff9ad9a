"""This module is the tests of a run's samples: what differs between two texts is marked, and only that."""

from __future__ import annotations

from apps.persistence.work.operation import Sample
from apps.runs.samples import shown


def test_only_the_lines_that_differ_are_marked() -> None:
    (sample,) = shown([Sample(what="s", now='{\n  "a": 1,\n  "b": 2\n}', after='{\n  "a": 1,\n  "b": 3\n}')])

    assert [line.text for line in sample.now if line.is_changed] == ['  "b": 2']
    assert [line.text for line in sample.after if line.is_changed] == ['  "b": 3']
    assert not sample.is_same


def test_a_side_that_is_empty_has_no_lines() -> None:
    (sample,) = shown([Sample(what="s", now="", after="made")])

    assert sample.now == ()
    assert [line.is_changed for line in sample.after] == [True]
