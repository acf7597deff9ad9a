"""The pages of read models over what the demo's projections build: queried like any others, each model with the events that made it."""

from __future__ import annotations

import re

import pytest

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker")]
ORDERS = "/storage/models/cim-order-summary-1/"


def test_projections_of_the_demo_are_listed_with_their_state(worker: Worker, home: Home, viewer: Visitor) -> None:
    text = wait_for(viewer, "/storage/models/", "Order summary")

    assert "order-summary" in text
    assert "Discount audit" in text


def test_models_of_a_projection_can_be_queried(worker: Worker, home: Home, viewer: Visitor) -> None:
    wait_for(viewer, f"{ORDERS}?pattern=product_stats.>", "product_stats.all")

    text = read(viewer, f"{ORDERS}?pattern=order.>&sort=total_cents&direction=descending&fields=status,total_cents")

    assert "Plan key_prefix by keys" in text
    assert "order.o-" in text or "order." in text


def test_model_leads_to_the_events_that_made_it(worker: Worker, home: Home, viewer: Visitor) -> None:
    wait_for(viewer, f"{ORDERS}?pattern=order.>", "page 1 of")
    (key, *_) = re.findall(r'model\?key=(order\.[^"]+)"', page(viewer, f"{ORDERS}?pattern=order.>"))
    address = f"{ORDERS}model?key={key}"

    html = page(viewer, address)

    assert "Events that made it" in html
    assert f'href="/aggregates/sales.order/{key.removeprefix("order.")}/"' in html
    assert re.search(r'href="/streams/CIM-EVENTS/\d+/">created</a>', html)
    assert "order-summary at" in wait_for(viewer, address, "order-summary at")


def test_status_that_a_worker_wrote_for_readers_is_shown_with_its_history(worker: Worker, home: Home, viewer: Visitor) -> None:
    wait_for(viewer, "/storage/models/", "events behind")

    text = wait_for(viewer, "/storage/kv/cim-read-models/key?key=discount-audit.projection_status", 'kind "failed"')

    assert "nobody may give more than 50 %" in text


def test_view_is_made_by_an_operation_and_its_contents_are_queried(worker: Worker, home: Home, operator: Visitor) -> None:
    wait_for(operator, f"{ORDERS}?pattern=product_stats.>", "product_stats.all")
    asked = "name=products&bucket=cim-order-summary-1&pattern=product.>&filters=pieces_asked_for+ge+0"

    wait_for(operator, start_run(operator, f"/runs/new/create-view/review/?{asked}"), "Receipt finished")

    text = wait_for(operator, "/storage/models/cim-view-products/?pattern=product.>", "page 1 of 1")
    assert "projection" not in text.partition("Plan")[0]
    listed = wait_for(operator, "/storage/models/", "products view Of cim-order-summary-1 : keys that match product.>")
    assert "pieces_asked_for ge 0" in listed
    assert "Drop…" in read(operator, "/storage/models/cim-view-products/")
