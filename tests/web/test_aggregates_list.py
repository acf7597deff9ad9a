"""This module is the tests of the lists of types and aggregates: from the directory, and from subjects where it has not run."""

from __future__ import annotations

import re

import pytest
from django.conf import LazySettings

from apps.persistence.events import AggregateRef, NewEvent, now
from apps.persistence.store import Store
from apps.persistence.work.heartbeat import WorkerInfo, beat, ensure_workers

from .aggregate_stage import TAMPERED, append_all, order_events, run_directory, write_stage
from .conftest import Home, Visitor
from .test_aggregates_page import page, words

IDS = re.compile(r'<th scope="row" class="identity"><a[^>]*>([^<]*)</a>')


@pytest.fixture
def shop(settings: LazySettings) -> None:
    settings.CIM_DOMAINS = ["apps.domain", "tests.web.shop_domain"]


@pytest.fixture(scope="module")
def made() -> set[str]:
    return set()


@pytest.fixture
def unlisted(home: Home, shop: None, made: set[str]) -> Home:
    """Aggregates, and no directory of them: tests that use it stand before those that use `listed`."""
    assert "listed" not in made
    if "unlisted" not in made:
        made.add("unlisted")
        home.run(write_stage)
    return home


@pytest.fixture
def listed(home: Home, shop: None, made: set[str]) -> Home:
    """The same and 120 orders more, with a directory that has come to the head."""
    if "listed" not in made:
        made.add("listed")
        home.run(_list_many)
    return home


async def _list_many(store: Store) -> None:
    if not (await store.connection.api("STREAM.NAMES", {"subject": "parcels.>"})).get("streams"):
        await write_stage(store)
    for number in range(120):
        await append_all(store, AggregateRef("sales", "order", f"n-{number:03}"), order_events()[:1])
    await run_directory(store)


async def _append_late(store: Store) -> None:
    await append_all(store, AggregateRef("hr", "badge", "late"), [NewEvent(type="issued")])


def test_an_empty_server_says_how_the_first_aggregate_comes(viewer: Visitor, home: Home) -> None:
    text = words(page(viewer, "/aggregates/"))

    assert "No aggregates yet" in text
    assert "A worker makes it when it starts: python3 manage.py worker" in text


def test_without_a_directory_types_are_read_from_subjects_and_the_page_says_what_to_start(viewer: Visitor, unlisted: Home) -> None:
    text = words(page(viewer, "/aggregates/"))

    assert "The directory of aggregates has not run yet. No worker runs: start one with python3 manage.py worker" in text
    assert re.search(r"Order sales.order 1 – – CIM-EVENTS", text)
    assert "Badge hr.badge 1 – – CIM-EVENTS Not declared" in text
    assert "Order sales.order 7 – – CIM-DEMO-TAMPERED Demo data" in text
    assert "Parcel shop.parcel 2 – – PARCELS No chain" in text
    assert "Declared, and without an aggregate yet:" in text


def test_without_a_directory_a_type_lists_its_ids_with_their_newest_events(viewer: Visitor, unlisted: Home) -> None:
    assert "spring v6 submitted" in words(page(viewer, "/aggregates/sales.order/"))


def test_a_worker_that_is_alive_is_named_instead_of_the_command(viewer: Visitor, unlisted: Home) -> None:
    async def breathe(store: Store) -> None:
        await ensure_workers(store.connection)
        await beat(store.connection, WorkerInfo(id="w1", host="h", pid=1, started=now()))

    unlisted.run(breathe)

    assert "A worker is alive and will fill it." in words(page(viewer, "/aggregates/"))


def test_the_directory_counts_aggregates_and_events(viewer: Visitor, listed: Home) -> None:
    text = words(page(viewer, "/aggregates/"))

    assert re.search(r"Order sales.order 121 126 (just now|\d+ seconds? ago) CIM-EVENTS", text)
    assert "directory" not in text


def test_a_type_shows_what_changed_last_first_and_goes_on_to_older_ones(viewer: Visitor, listed: Home) -> None:
    first = page(viewer, "/aggregates/sales.order/")
    older = page(viewer, "/aggregates/sales.order/" + _link(first, "Older"))

    assert IDS.findall(first) == [f"n-{number:03}" for number in range(119, 69, -1)]
    assert IDS.findall(older) == [f"n-{number:03}" for number in range(69, 19, -1)]


def test_a_type_in_the_order_of_ids_is_paged_to_its_end(viewer: Visitor, listed: Home) -> None:
    first = page(viewer, "/aggregates/sales.order/?sort=id")
    second = page(viewer, "/aggregates/sales.order/" + _link(first, "Next"))
    third = page(viewer, "/aggregates/sales.order/" + _link(second, "Next"))

    assert IDS.findall(first)[0] == "n-000"
    assert IDS.findall(second)[0] == "n-050"
    assert IDS.findall(third) == [*(f"n-{number:03}" for number in range(100, 120)), "spring"]
    assert "This is the last page." in words(third)
    assert "121 in all" in words(third)


def test_ids_are_found_by_how_they_begin(viewer: Visitor, listed: Home) -> None:
    text = page(viewer, "/aggregates/sales.order/?id=n-11")

    assert IDS.findall(text) == [f"n-{number}" for number in range(110, 120)]
    assert "10 begin with n-11" in words(text)


def test_a_beginning_that_no_id_has_is_not_an_empty_type(viewer: Visitor, listed: Home) -> None:
    text = words(page(viewer, "/aggregates/sales.order/?id=zz"))

    assert "None begins with zz" in text
    assert "Show all" in text


def test_a_type_that_nobody_knows_says_how_types_are_written(viewer: Visitor, listed: Home) -> None:
    assert "types are written context.type, such as sales.order" in words(page(viewer, "/aggregates/foo.bar/"))


def test_a_declared_type_without_aggregates_says_that_one_begins_with_its_first_event(viewer: Visitor, listed: Home) -> None:
    assert "Its type is declared, but no event of it is stored." in words(page(viewer, "/aggregates/stock.product/"))


@pytest.mark.parametrize("query", ["id=a.b", "id=%3Cb%3E", "before=x", "before=" + "9" * 30, "stream=NOPE"])
def test_a_mistyped_list_is_refused(viewer: Visitor, listed: Home, query: str) -> None:
    page(viewer, f"/aggregates/sales.order/?{query}", status=400)


def test_the_tampered_stream_has_a_list_of_its_own(viewer: Visitor, listed: Home) -> None:
    text = page(viewer, f"/aggregates/sales.order/{TAMPERED}")

    assert len(IDS.findall(text)) == 7
    assert f'href="/aggregates/sales.order/intact/{TAMPERED}"' in text


def test_foreign_aggregates_are_listed_by_their_subjects(viewer: Visitor, listed: Home) -> None:
    text = words(page(viewer, "/aggregates/shop.parcel/"))

    assert "p1 – sent" in text
    assert "2 in all" in text


def test_a_directory_that_is_behind_says_by_how_much(viewer: Visitor, listed: Home) -> None:
    listed.run(_append_late)

    text = words(page(viewer, "/aggregates/"))

    assert "The directory is 1 event behind." in text


def _link(text: str, label: str) -> str:
    found = re.search(rf'href="([^"]*)">{label}</a>', text)
    assert found, f"no link {label}"
    return found[1].replace("&amp;", "&")


def test_a_type_says_its_policy_and_leads_to_snapshots_of_all_its_aggregates(operator: Visitor, viewer: Visitor, listed: Home) -> None:
    path = "/aggregates/sales.order/"

    assert "snapshots every 100 events; 5 kept" in words(page(operator, path))
    assert 'href="/runs/new/snapshot/?scope=type&amp;type=sales.order"' in page(operator, path)
    assert "Take snapshots… Needs the operator role." in words(page(viewer, path))
    review = page(operator, "/runs/new/snapshot/review/?scope=type&type=sales.order")
    assert "Snapshot every sales.order" in words(review)
