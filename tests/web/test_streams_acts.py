"""What the streams pages offer to operators: forms filled in before, or the reason why not; and gaps with the runs that made them."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import LazySettings
from django.test import Client

from apps.persistence.store import Store

from .conftest import Home, Visitor
from .stream_stage import fill, make_stream
from .working_console import Worker, page, read, start_run, wait_for


@pytest.fixture
def changes(settings: LazySettings) -> None:
    settings.CIM_STREAM_CHANGES = True
    settings.CIM_PROTECTED_STREAMS = ["KEPT*"]


@pytest.fixture(scope="module")
def made() -> set[str]:
    return set()


@pytest.fixture
def orders(home: Home, made: set[str]) -> str:
    """Eight messages, every second `orders.late`; two streams that may not be changed, and a bucket."""

    async def make(store: Store) -> None:
        await make_stream(store, "ORDERS")
        await fill(store, "ORDERS", 8, subjects=("new", "late"))
        await make_stream(store, "KEPT")
        await make_stream(store, "SAFE", deny_purge=True)
        await make_stream(store, "KV_prefs", subjects=["$KV.prefs.>"])

    if not made:
        made.add("ORDERS")
        home.run(make)
    return "/streams/ORDERS/"


def links(client: Client, address: str) -> dict[str, tuple[str, dict[str, list[str]]]]:
    """What can be done here: the operation and what is filled in, by words."""
    found = re.findall(r'href="(/runs/new/[^"]+)">([^<]+…)<', page(client, address))
    return {words: (urlsplit(href).path, parse_qs(urlsplit(href).query.replace("&amp;", "&"))) for href, words in found}


def reasons(client: Client, address: str) -> dict[str, str]:
    """What cannot be done here, and why."""
    found = re.findall(r'aria-disabled="true">([^<]+…) <span class="reason">([^<]+)<', page(client, address))
    return {words: reason.replace("&#x27;", "'") for words, reason in found}


def test_stream_leads_an_operator_to_forms_that_are_filled_in(operator: Visitor, changes: None, orders: str) -> None:
    offered = links(operator, orders)

    assert offered["Change…"] == ("/runs/new/change-stream/", {"stream": ["ORDERS"]})
    assert offered["Purge…"] == ("/runs/new/purge/", {"stream": ["ORDERS"]})
    assert offered["Seal…"] == ("/runs/new/seal/", {"stream": ["ORDERS"]})
    assert offered["Delete…"] == ("/runs/new/delete-stream/", {"stream": ["ORDERS"]})
    for words in ("Change…", "Purge…", "Seal…", "Delete…"):
        address, _ = offered[words]
        assert 'value="ORDERS" selected' in page(operator, f"{address}?stream=ORDERS")


def test_event_leads_to_its_own_deletion(operator: Visitor, changes: None, orders: str) -> None:
    wanted = ("/runs/new/delete-message/", {"stream": ["ORDERS"], "sequence": ["3"]})

    assert links(operator, f"{orders}3/")["Delete message…"] == wanted
    assert links(operator, f"{orders}?show=3")["Delete message…"] == wanted


def test_list_leads_to_new_streams_and_buckets(operator: Visitor, changes: None, orders: str) -> None:
    offered = links(operator, "/streams/")

    assert (offered["Create stream…"][0], offered["Create bucket…"][0]) == ("/runs/new/create-stream/", "/runs/new/create-bucket/")


def test_bucket_offers_what_buckets_have(operator: Visitor, changes: None, orders: str) -> None:
    offered = links(operator, "/streams/KV_prefs/")

    assert offered["Change…"] == ("/runs/new/change-bucket/", {"bucket": ["prefs"]})
    assert offered["Purge a key…"] == ("/runs/new/purge-key/", {"bucket": ["prefs"]})


def test_everything_is_shown_with_the_setting_that_is_off(operator: Visitor, orders: str) -> None:
    for address, words in ((orders, "Purge…"), (f"{orders}3/", "Delete message…"), ("/streams/", "Create stream…")):
        assert links(operator, address).get(words) is None
        assert "CIM_STREAM_CHANGES is off" in reasons(operator, address)[words]


def test_protected_streams_say_why_they_are_left_alone(operator: Visitor, changes: None, orders: str) -> None:
    assert reasons(operator, "/streams/KEPT/")["Purge…"] == "KEPT is protected: CIM_PROTECTED_STREAMS names KEPT*."
    assert "deny_purge" in reasons(operator, "/streams/SAFE/")["Purge…"]
    assert "Change…" in links(operator, "/streams/SAFE/")


def test_viewer_is_told_which_role_it_needs_and_may_not_open_the_forms(viewer: Visitor, changes: None, orders: str) -> None:
    assert reasons(viewer, orders)["Purge…"] == "Needs the operator role."
    for operation in ("purge", "seal", "delete-stream", "delete-message", "create-stream", "change-stream", "create-bucket", "purge-key"):
        page(viewer, f"/runs/new/{operation}/", status=403)
        assert viewer.post(f"/runs/new/{operation}/review/?stream=ORDERS").status_code == 403


def test_refused_purge_says_on_the_form_which_setting_refuses_it(operator: Visitor, orders: str) -> None:
    assert "CIM_STREAM_CHANGES is off" in read(operator, "/runs/new/purge/review/?stream=ORDERS", status=422)


def test_gap_that_a_run_made_names_the_run_and_its_reason(operator: Visitor, changes: None, orders: str, home: Home) -> None:
    with Worker(home.server, changes=True):
        address = start_run(operator, "/runs/new/purge/review/?stream=ORDERS&subject=orders.late", typed="ORDERS")
        wait_for(operator, address, "Purged 4 messages of ORDERS")
        front = start_run(operator, "/runs/new/purge/review/?stream=ORDERS&before=3", typed="ORDERS")
        wait_for(operator, front, "Purged 1 message of ORDERS")

    text = page(operator, orders)
    gaps = re.findall(r'<tr class="gap"[^>]*><td[^>]*>(.*?)</td>', text)

    assert [gap.partition(",")[0] for gap in gaps] == ["8 is missing", "6 is missing", "4 is missing", "2 is missing", "1 is missing"]
    assert all("removed by operator on" in gap and ": because" in gap for gap in gaps)
    assert f'href="{address}"' in gaps[0]
    assert f'href="{front}"' in gaps[4]
    assert "removed by operator" in read(operator, f"{orders}4/", status=404)
