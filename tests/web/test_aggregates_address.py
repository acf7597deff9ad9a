"""This module is the tests of what an aggregate's address asks: versions, times, pairs, and the window around a version."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.aggregates.address import Asked, Pair, read_address
from apps.aggregates.window import window_around
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef

ORDER = AggregateRef("sales", "order", "o1")


def asked(**given: str) -> Asked:
    return read_address(ORDER, given)


def test_an_address_without_a_query_follows_the_newest_version() -> None:
    assert asked() == Asked(ref=ORDER)
    assert asked().is_newest


@pytest.mark.parametrize("text", ["12", "v12", " 12 "])
def test_a_version_is_a_number_with_or_without_its_letter(text: str) -> None:
    assert asked(version=text).version == 12


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01 12:30", datetime(2026, 5, 1, 12, 30, tzinfo=UTC)),
        ("2026-05-01T12:30:05", datetime(2026, 5, 1, 12, 30, 5, tzinfo=UTC)),
        ("2026-05-01T12:30:05.25Z", datetime(2026, 5, 1, 12, 30, 5, 250_000, tzinfo=UTC)),
        ("2026-05-01 14:30:05+02:00", datetime(2026, 5, 1, 12, 30, 5, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, moment: datetime) -> None:
    assert asked(at=text).moment == moment


def test_the_field_for_both_takes_a_version_too_and_wins_over_the_scrubber() -> None:
    assert asked(at="7", version="3") == Asked(ref=ORDER, version=7)


@pytest.mark.parametrize("text", ["12..17", "17..12", "v12..v17"])
def test_a_pair_has_its_older_version_first(text: str) -> None:
    assert asked(diff=text).pair == Pair(older=12, newer=17)


def test_a_pair_can_come_from_the_two_fields_of_a_form() -> None:
    assert asked(**{"from": "5", "to": "2"}).pair == Pair(older=2, newer=5)


@pytest.mark.parametrize("given", [{"version": "0"}, {"version": "-1"}, {"version": "1e3"}, {"version": "9" * 30}, {"prove": "x"}])
def test_what_is_no_version_is_refused_with_an_example(given: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="versions are whole numbers from 1, such as 12"):
        asked(**given)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-40", "2026-05-01 25:00", "٣"])
def test_what_is_neither_version_nor_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no version and no time; write a version such as 12, or a time such as"):
        asked(at=text)


@pytest.mark.parametrize("text", ["12", "1..2..3", "..", "a-b"])
def test_what_names_no_two_versions_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"names no two versions; write them as 12\.\.17"):
        asked(diff=text)


@pytest.mark.parametrize(
    ("version", "head", "window"),
    [
        (1, 7, (1, 7)),
        (100, 100, (1, 100)),
        (20_000, 20_000, (19_901, 20_000)),
        (1, 20_000, (1, 100)),
        (5_050, 20_000, (4_976, 5_075)),
    ],
)
def test_a_window_is_at_most_100_versions_around_the_one_selected(version: int, head: int, window: tuple[int, int]) -> None:
    assert window_around(version, head) == window


def test_a_window_stays_where_it_is_while_one_steps_through_fifty() -> None:
    assert window_around(5_001, 20_000) == window_around(5_050, 20_000)
