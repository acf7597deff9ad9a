"""This module is the test of the one field that takes a sequence, a time or an age."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.store import check_stream_name
from apps.persistence.store.positions import FIRST_MOMENT, LAST_MOMENT, parse_position, parse_sequence
from apps.streams.event_query import EventQuery

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("812345", 812_345),
        (" 1,204,963 ", 1_204_963),
        ("1_000", 1_000),
        ("0", 1),
        ("2026-11-21T10:40", datetime(2026, 11, 21, 10, 40, tzinfo=UTC)),
        ("2026-11-21 10:40:31.882", datetime(2026, 11, 21, 10, 40, 31, 882_000, tzinfo=UTC)),
        ("2026-11-21T10:40+02:00", datetime(2026, 11, 21, 8, 40, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("10:40", datetime(2026, 11, 21, 10, 40, tzinfo=UTC)),
        ("9:05:07", datetime(2026, 11, 21, 9, 5, 7, tzinfo=UTC)),
        ("10 minutes ago", datetime(2026, 11, 21, 11, 50, tzinfo=UTC)),
        ("1 hour ago", datetime(2026, 11, 21, 11, 0, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 21, 10, 0, tzinfo=UTC)),
        ("3 Days Ago", datetime(2026, 11, 18, 12, 0, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 20, tzinfo=UTC)),
    ],
)
def test_a_place_is_a_sequence_a_time_or_an_age(text: str, meant: object) -> None:
    assert parse_position(text, NOW) == meant


@pytest.mark.parametrize(
    "text", ["foo", "12:99", "2026-13-01", "-5", "1,23", "10 parsecs ago", "٣", "9" * 20, "99999999999 weeks ago", "1.5"]
)
def test_what_is_no_place_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_position(text, NOW)

    assert any(words in str(refusal.value) for words in ("write a sequence such as 812345", "larger than any sequence"))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0001-01-01", FIRST_MOMENT),
        ("0001-01-01T00:00+14:00", FIRST_MOMENT),
        ("90000 weeks ago", FIRST_MOMENT),
        ("9999-12-31T23:59:59", LAST_MOMENT),
        ("9999-12-31T23:59:59-14:00", LAST_MOMENT),
    ],
)
def test_a_time_beyond_what_a_server_can_tell_is_its_first_or_last(text: str, meant: datetime) -> None:
    assert parse_position(text, NOW) == meant


@pytest.mark.parametrize("text", ["0", "-1", "abc", "1.0", "9" * 25, "²"])
def test_an_address_takes_only_whole_sequences(text: str) -> None:
    with pytest.raises(InvalidInput, match="such as 812345"):
        parse_sequence(text)


@pytest.mark.parametrize("name", ["a.b", "a b", "*", ">", "a/b", "", "x" * 300, "tab\there"])
def test_what_no_server_could_have_is_no_stream_name(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no stream name"):
        check_stream_name(name)


def test_each_field_that_is_not_understood_says_so_and_the_others_hold() -> None:
    query = EventQuery.from_get({"subject": "a..b", "at": "foo", "from": "7", "before": "x"}, NOW)

    assert sorted(query.problems) == ["at", "before", "subject"]
    assert query.start == 7
    assert (query.subject, query.at, query.before) == ("", None, None)


def test_a_pattern_with_wildcards_is_a_filter() -> None:
    query = EventQuery.from_get({"subject": "orders.*.>"}, NOW)

    assert query.pattern == "orders.*.>"
    assert query.is_filtered
