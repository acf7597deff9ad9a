"""What the projections pages say of a build beside the one that serves: who fills it, or that nobody does any more."""

from __future__ import annotations

import re

import pytest

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
    assert "Filling" not in read(operator, "/projections/")
    assert re.search(r'id="projection-order-summary".*?data-state="live"', page(operator, "/projections/"), flags=re.DOTALL)
