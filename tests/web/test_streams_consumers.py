"""What the page of a stream's consumers offers to operators: forms filled in before, or the reason why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import LazySettings

from apps.persistence.store import Store

from .conftest import Home, Visitor
from .stream_stage import add_consumer, fill, make_stream
from .test_streams_acts import links, reasons
from .working_console import page, read


@pytest.fixture
def changes(settings: LazySettings) -> None:
    settings.CIM_STREAM_CHANGES = True
    settings.CIM_PROTECTED_STREAMS = ["KEPT*"]


@pytest.fixture(scope="module")
def made() -> set[str]:
    return set()


@pytest.fixture
def orders(home: Home, made: set[str]) -> str:
    """Eight messages, and consumers: one that may be changed, one that rests, one of the console, and one of a protected stream."""

    async def make(store: Store) -> None:
        await make_stream(store, "ORDERS")
        await fill(store, "ORDERS", 8)
        await make_stream(store, "KEPT")
        await add_consumer(store, "ORDERS", "packer", description="<b>packs</b>")
        await add_consumer(store, "ORDERS", "rested", pause_until=f"{datetime.now(UTC) + timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}")
        await add_consumer(store, "ORDERS", "cim-orders-1")
        await add_consumer(store, "KEPT", "packer")

    if not made:
        made.add("ORDERS")
        home.run(make)
    return "/streams/ORDERS/"


def test_consumer_leads_an_operator_to_forms_that_are_filled_in(operator: Visitor, changes: None, orders: str) -> None:
    given = {"stream": ["ORDERS"], "consumer": ["packer"]}

    offered = links(operator, f"{orders}consumers/?show=packer")

    assert offered["Create consumer…"] == ("/runs/new/create-consumer/", {"stream": ["ORDERS"]})
    assert offered["Reset…"] == ("/runs/new/reset-consumer/", given)
    assert offered["Pause…"] == ("/runs/new/pause-consumer/", given)
    assert offered["Delete…"][1] == {**given}
    assert 'name="consumer" value="packer"' in page(operator, "/runs/new/reset-consumer/?stream=ORDERS&consumer=packer")
    assert "&lt;b&gt;packs&lt;/b&gt;" in page(operator, f"{orders}consumers/?show=packer")


def test_paused_consumer_says_how_long_still_and_can_be_resumed(operator: Visitor, changes: None, orders: str) -> None:
    assert "3 h from now" in read(operator, f"{orders}consumers/")
    assert links(operator, f"{orders}consumers/?show=rested")["Resume…"][0] == "/runs/new/resume-consumer/"


def test_consumer_that_may_not_be_changed_says_why(operator: Visitor, viewer: Visitor, changes: None, orders: str) -> None:
    assert "the console's own" in reasons(operator, f"{orders}consumers/?show=cim-orders-1")["Reset…"]
    assert "CIM_PROTECTED_STREAMS" in reasons(operator, "/streams/KEPT/consumers/?show=packer")["Delete…"]
    assert reasons(viewer, f"{orders}consumers/?show=packer")["Pause…"] == "Needs the operator role."


def test_consumer_that_is_gone_is_said_to_be_gone(operator: Visitor, changes: None, orders: str) -> None:
    text = page(operator, f"{orders}consumers/?show=<script>alert(1)</script>")

    assert "<script>alert" not in text
    assert "ORDERS has no consumer of this name any more." in text


@pytest.mark.parametrize("operation", ["create", "reset", "pause", "resume", "delete"])
def test_viewer_may_not_open_the_forms_of_consumers(viewer: Visitor, changes: None, orders: str, operation: str) -> None:
    page(viewer, f"/runs/new/{operation}-consumer/", status=403)
    assert viewer.post(f"/runs/new/{operation}-consumer/review/?stream=ORDERS&consumer=packer").status_code == 403


def test_refused_reset_says_on_the_form_what_is_wrong(operator: Visitor, changes: None, orders: str) -> None:
    review = "/runs/new/reset-consumer/review/?stream=ORDERS"

    assert "ends at 8" in read(operator, f"{review}&consumer=packer&start=99", status=422)
    assert "the console's own" in read(operator, f"{review}&consumer=cim-orders-1&start=1", status=422)
    assert "which is no consumer name" in read(operator, f"{review}&consumer=<img src=x>&start=1", status=422)
    assert "<img src=x>" not in page(operator, f"{review}&consumer=<img src=x>&start=1", status=422)
