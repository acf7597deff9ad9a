"""What the projections pages say of a build beside the one that serves: who fills it, or that nobody does any more."""

from __future__ import annotations

import re

import pytest
from django.urls import resolve, reverse

from .conftest import Visitor
from .working_console import page, read, start_run, wait_for

pytestmark = pytest.mark.usefixtures("home", "worker")


def test_build_of_a_run_is_filling_then_paused_then_stopped(operator: Visitor) -> None:
    wait_for(operator, "/projections/order-summary/", "every event is applied")
    run = start_run(operator, "/runs/new/replay/review/?projection=order-summary", limit="2")

    wait_for(operator, "/projections/order-summary/", "2 Filling its run")
    assert "Build 1 serves readers until this one has caught up." in wait_for(operator, "/projections/", "Build 2 of order-summary")

    operator.post(f"{run}pause/")
    wait_for(operator, "/projections/order-summary/", "2 Paused its run")
    assert "Its run is paused and goes on with it when it is resumed." in read(operator, "/projections/")

    operator.post(f"{run}cancel/")
    wait_for(operator, "/projections/order-summary/", "2 Stopped its run")
    assert "Nobody fills it any more: the run that began it has ended." in read(operator, "/projections/")
    assert "Nobody goes on with it: drop it, or the next replay or rebuild does." in read(operator, "/projections/order-summary/")
    assert 'href="/runs/new/drop/review/?projection=order-summary&amp;build=2"' in page(operator, "/projections/order-summary/")
    assert "Filling" not in read(operator, "/projections/")
    assert re.search(r'id="projection-order-summary".*?data-state="live"', page(operator, "/projections/"), flags=re.DOTALL)


def test_build_that_is_kept_can_be_rolled_back_to_and_dropped_by_an_operator_and_not_by_a_viewer(
    operator: Visitor, viewer: Visitor
) -> None:
    wait_for(operator, "/projections/order-summary/", "every event is applied")
    wait_for(operator, start_run(operator, "/runs/new/replay/review/?projection=order-summary"), "Receipt finished")

    html, seen = page(operator, "/projections/order-summary/"), page(viewer, "/projections/order-summary/")

    assert re.search(r'href="/runs/new/switch/review/\?projection=order-summary&amp;build=1&amp;serving=\d+">Roll back…', html)
    assert re.findall(r'href="/runs/new/drop/review/\?projection=order-summary&amp;build=(\d+)"', html) == ["1"]
    assert "/runs/new/drop/" not in seen
    assert "Drop…" in seen


def test_projection_may_be_called_like_the_page_of_parked_events() -> None:
    assert resolve("/projections/parked-events/").view_name == "projections:projection"
    assert reverse("projections:parked") == "/projections/all/parked-events/"
