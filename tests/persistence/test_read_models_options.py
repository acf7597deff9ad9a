"""This module is the tests of what a query may ask for, and of the order of values."""

from __future__ import annotations

import pytest

from apps.persistence.errors import InvalidInput, InvalidSubject
from apps.persistence.events import now
from apps.persistence.read_models import Pagination, QueryBuilder, TimeRange, field_of, is_comparable, order_key


def test_pagination_counts_pages_from_one() -> None:
    third = Pagination.from_query(20, 40, 100)

    assert (third.page, third.total_pages, third.has_next, third.has_prev) == (3, 5, True, True)
    assert third.to_limit_offset() == (20, 40)
    assert (Pagination.from_query(20, 0, 0).total_pages, Pagination.from_query(20, 0, 0).has_next) == (0, False)
    assert Pagination.from_query(0, 0, 3).total_pages == 3
    assert not Pagination.from_query(20, 80, 100).has_next


def test_query_that_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'near' is no comparison"):
        QueryBuilder().filter("price", "near", 1)
    with pytest.raises(InvalidInput, match="names no field"):
        QueryBuilder().sort_by("a..b")
    with pytest.raises(InvalidInput, match="needs a list"):
        QueryBuilder().filter("price", "in", 1)
    with pytest.raises(InvalidInput, match="needs a text"):
        QueryBuilder().filter("price", "starts_with", 1)
    with pytest.raises(InvalidInput, match="cannot be shown"):
        QueryBuilder().limit(-1)
    with pytest.raises(InvalidInput, match="cannot be shown"):
        QueryBuilder().limit(100).offset(100_000)
    with pytest.raises(InvalidSubject):
        QueryBuilder("a.>.b")


def test_range_that_holds_no_time_is_refused() -> None:
    moment = now()
    with pytest.raises(InvalidInput, match="not after its start"):
        TimeRange(start=moment, end=moment)
    with pytest.raises(InvalidInput, match="no time zone"):
        TimeRange(start=moment.replace(tzinfo=None))


def test_order_of_values_is_exact() -> None:
    rising = [None, False, True, -(2**64), -1.5, -1, 0, 2**53, 2**53 + 1, 2**64 - 1, "", "a", "a\0", "aa", "b", b"", b"\0", [], {}]

    assert sorted(rising, key=order_key) == rising  # type: ignore[arg-type]
    assert order_key(1) == order_key(1.0)
    assert order_key("a") + order_key("b") < order_key("a\0") + order_key("a")
    assert is_comparable(order_key(True), order_key(False))
    assert not is_comparable(order_key(1), order_key("1"))
    assert field_of({"a": [{"b": 1}]}, "a.0.b") == 1
    assert field_of({"a": [{"b": 1}]}, "a.1.b") is None
