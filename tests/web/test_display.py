"""This module is the tests of how figures, times and identifiers are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template

from apps.display import figures

NOW = datetime(2026, 11, 21, 12, 4, 31, 882_000, tzinfo=UTC)


@pytest.mark.parametrize(("number", "words"), [(0, "0"), (1_204_963, "1,204,963"), (2.5, "2.5"), (3.0, "3"), (None, "–")])
def test_counts_have_commas(number: float | None, words: str) -> None:
    assert figures.count(number) == words


@pytest.mark.parametrize(
    ("octets", "words"),
    [(0, "0 B"), (312, "312 B"), (1_210, "1.2 KB"), (999_700, "1 MB"), (412_000_000, "412 MB"), (9_950_000, "10 MB"), (2_000, "2 KB")],
)
def test_sizes_have_three_figures_at_most(octets: int, words: str) -> None:
    assert figures.size(octets) == words


@pytest.mark.parametrize(("per_second", "words"), [(0, "0/s"), (1310.4, "1,310/s"), (0.42, "0.4/s"), (0.02, "1.2/min"), (0.001, "3.6/h")])
def test_rates_choose_a_unit_that_shows_something(per_second: float, words: str) -> None:
    assert figures.rate(per_second) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0002, "<1 ms"),
        (0.018, "18 ms"),
        (3, "3 s"),
        (4.2, "4.2 s"),
        (59.7, "1 min"),
        (260, "4 min 20 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, words: str) -> None:
    assert figures.span(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "just now"), (20, "20 seconds ago"), (60, "1 minute ago"), (7200, "2 hours ago"), (-20, "in 20 seconds")]
)
def test_moments_are_said_from_now(seconds: int, words: str) -> None:
    assert figures.ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_a_long_identifier_is_cut_in_the_middle() -> None:
    assert figures.cut("bafyr4ihx7m3kqd83vi2x2k9pa0f7c3q", 16) == "bafyr4ih…a0f7c3q"


def test_a_cut_identifier_keeps_its_whole_in_the_title_and_on_a_button() -> None:
    html = Template("{% cut cid %}").render(Context({"cid": "bafyr4ihx7m3kqd83vi2x2k9pa0f7c3q"}))

    assert 'title="bafyr4ihx7m3kqd83vi2x2k9pa0f7c3q">bafyr4ih…a0f7c3q</span>' in html
    assert 'data-copy="bafyr4ihx7m3kqd83vi2x2k9pa0f7c3q"' in html


def test_an_identifier_cannot_bring_markup_into_the_page() -> None:
    html = Template("{% cut text %}").render(Context({"text": '"><script>alert(1)</script>'}))

    assert "<script>" not in html


def test_an_exact_moment_is_in_utc_with_milliseconds() -> None:
    html = Template("{% at moment %}").render(Context({"moment": NOW.replace(year=2020)}))

    assert html == '<time datetime="2020-11-21T12:04:31.882000Z" title="2020-11-21T12:04:31.882000Z">21 Nov 2020 12:04:31.882</time>'


def test_a_state_is_a_word_in_its_colour() -> None:
    html = Template('{% pill "catching_up" %}').render(Context())

    assert html == '<span class="pill" data-state="catching_up">Catching up</span>'
