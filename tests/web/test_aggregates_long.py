"""This module is the tests of a history of 20,000 events: only a window of it is read, and what takes long is asked for."""

from __future__ import annotations

import re
import time

import pytest
from django.conf import LazySettings

from .aggregate_stage import LONG, take_snapshot, write_long
from .conftest import Home, Visitor
from .test_aggregates_page import page, selected, versions, words

LONG_PAGE = "/aggregates/sales.order/long/"


@pytest.fixture(scope="module")
def made() -> set[str]:
    return set()


@pytest.fixture
def long(home: Home, settings: LazySettings, made: set[str]) -> Home:
    settings.CIM_DOMAINS = ["apps.domain"]
    if not made:
        made.add("long")
        home.run(write_long)
    return home


def test_the_page_costs_less_than_a_second_and_holds_the_newest_100_events(viewer: Visitor, long: Home) -> None:
    page(viewer, LONG_PAGE)
    started = time.process_time()

    text = page(viewer, LONG_PAGE)

    assert versions(text) == [f"{version:,}" for version in range(20_000, 19_900, -1)]
    assert time.process_time() - started < 1.0


def test_it_says_which_part_of_the_chain_was_checked(viewer: Visitor, long: Home) -> None:
    text = words(page(viewer, LONG_PAGE))

    assert "Linked here" in text
    assert "20,000 events · verified v19,901–v20,000 of 20,000" in text


def test_a_version_in_the_middle_is_shown_among_its_neighbours(viewer: Visitor, long: Home) -> None:
    text = page(viewer, f"{LONG_PAGE}?version=5050")

    assert selected(text) == ["5,050"]
    assert (versions(text)[0], versions(text)[-1], len(versions(text))) == ("5,075", "4,976", 100)
    assert f'href="{LONG_PAGE}?version=5076"' in text
    assert f'href="{LONG_PAGE}?version=4975"' in text


def test_its_state_is_folded_when_it_is_asked_for(viewer: Visitor, long: Home) -> None:
    later = page(viewer, LONG_PAGE)
    now = words(page(viewer, f"{LONG_PAGE}?version=20000&fold=1"))

    assert "Folding 20,000 events…" in words(later)
    assert f'href="{LONG_PAGE}?version=20000&amp;fold=1">Fold them now' in later
    assert '"discount_percent": 0, changed' in now
    assert "20,000 events folded." in now


def test_a_time_is_found_without_reading_the_history(viewer: Visitor, long: Home) -> None:
    newest = page(viewer, f"{LONG_PAGE}?at=2999-01-01")

    assert selected(newest) == ["20,000"]


def test_a_comparison_over_very_many_events_waits_to_be_asked_for(viewer: Visitor, long: Home) -> None:
    assert "Comparing over 19,999 events…" in words(page(viewer, f"{LONG_PAGE}?diff=1..20000"))


def test_the_full_verdict_reads_all_of_it(auditor: Visitor, long: Home) -> None:
    text = words(page(auditor, f"{LONG_PAGE}?verify=1"))

    assert "all 20,000 events verified" in text
    assert re.search(r"The chain is intact 20,000 events read again in", text)


def test_a_snapshot_nearby_makes_the_state_come_with_the_page(viewer: Visitor, long: Home) -> None:
    long.run(take_snapshot, LONG, 19_900)

    assert "From the snapshot at v19,900 and 100 events folded." in words(page(viewer, LONG_PAGE))


def test_a_snapshot_at_the_very_version_shows_the_state_alone(viewer: Visitor, long: Home) -> None:
    long.run(take_snapshot, LONG, 12_000)

    text = words(page(viewer, f"{LONG_PAGE}?version=12000"))

    assert "From the snapshot at v12,000 and 0 events folded." in text
    assert "compare with v11,999" in text


def test_the_page_warns_of_an_aggregate_with_more_events_than_its_type_wants(viewer: Visitor, long: Home) -> None:
    text = words(page(viewer, LONG_PAGE))

    assert "A large aggregate: 20,000 events, above 10,000. Each command loads all of it." in text
