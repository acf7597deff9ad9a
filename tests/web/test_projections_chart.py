"""This module is the tests of what the chart of a projection shows, without a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.projections import Sample
from apps.projections.chart import SPANS, make_chart, span_of, thin

BEGAN = datetime(2026, 5, 1, 9, tzinfo=UTC)


def samples(*lags: int) -> list[Sample]:
    return [
        Sample(time=BEGAN + timedelta(seconds=5 * index), lag=lag, position=index, rate_in=1.234, rate_applied=0.5)
        for index, lag in enumerate(lags)
    ]


def test_thinning_keeps_every_peak() -> None:
    assert thin([0, 9, 0, 0, 0, 7, 1, 1], 4) == [9, 0, 7, 1]


def test_what_is_short_is_not_thinned() -> None:
    assert thin([3, 1, 2], 60) == [3, 1, 2]


def test_nothing_thins_to_nothing() -> None:
    assert thin([], 60) == []


def test_the_picture_and_the_table_come_from_the_same_samples() -> None:
    chart = make_chart(SPANS[0], samples(1, 5, 2), [])

    assert json.loads(chart.points)["lag"] == [1, 5, 2]
    assert [row.lag for row in chart.rows] == [2, 5, 1]


def test_the_highest_lag_of_many_samples_is_drawn() -> None:
    chart = make_chart(SPANS[0], samples(*[0] * 400, 777, *[0] * 319), [])

    points = json.loads(chart.points)
    assert len(points["times"]) == 360
    assert max(points["lag"]) == 777
    assert chart.peak is not None
    assert chart.peak.lag == 777


def test_the_first_span_is_shown_where_the_address_names_none() -> None:
    assert span_of("").name == "1h"


def test_a_span_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="'5y' is no span of the chart; it shows 1h, 24h, 7d"):
        span_of("5y")
