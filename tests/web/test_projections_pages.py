"""This module is the tests of the projections pages on a real server: worst first, what failed and what mends it, and who may."""

from __future__ import annotations

import asyncio
import re

import pytest
from django.conf import LazySettings

from apps.live.frames import Fragment
from apps.persistence.store import Store
from apps.projections.board import read_board
from apps.projections.live import board_frames
from apps.registry import informed

from .conftest import Home, Visitor
from .working_console import FAILED_AT, Worker, page, read, start_run, wait_for

ROW = re.compile(r'<tr id="projection-([\w-]+)"')


@pytest.fixture(autouse=True)
def at_work(home: Home, worker: Worker, viewer: Visitor) -> None:
    """The projections have run, and the audit has met the discount that stops it."""
    wait_for(viewer, "/projections/discount-audit/", f"Failed at {FAILED_AT}")
    wait_for(viewer, "/projections/order-summary/", "every event is applied")


def test_what_failed_stands_first_and_is_named_above_all(viewer: Visitor) -> None:
    text = page(viewer, "/projections/")

    assert ROW.findall(text)[0] == "discount-audit"
    assert f'href="/streams/CIM-EVENTS/{FAILED_AT}/"' in text
    seen = read(viewer, "/projections/")
    assert f"at sequence {FAILED_AT}, discount_applied of sales.order.clearance-order : sales.order.clearance-order was given" in seen
    assert re.search(r"[\d,]+ events? waits? behind it\.", seen)


def test_an_operator_can_mend_it_from_there(operator: Visitor) -> None:
    text = page(operator, "/projections/")

    assert 'href="/runs/new/resume/review/?projection=discount-audit"' in text
    assert f'href="/runs/new/skip/?projection=discount-audit&amp;sequence={FAILED_AT}"' in text
    assert 'href="/runs/new/replay/review/?projection=order-summary"' in text


def test_a_viewer_sees_the_acts_with_the_role_they_need(viewer: Visitor) -> None:
    text = page(viewer, "/projections/")

    assert "Needs the operator role." in text
    assert "/runs/new/pause/" not in text
    assert "/runs/new/replay/" not in text


def test_what_writes_into_a_stream_of_its_own_says_why_it_cannot_be_replayed(operator: Visitor) -> None:
    assert "It writes into a stream of its own" in read(operator, "/projections/state-sales-order/")


def test_the_figures_have_their_unit_and_their_span(viewer: Visitor) -> None:
    text = wait_for(viewer, "/projections/", "discount-audit, failed")

    assert re.search(r"Events in [\d.,]+/(s|min|h) over the last minute, 2 streams", text)
    assert re.search(r"Worst lag [\d,]+ discount-audit, failed", text)


def test_a_projection_has_its_builds_its_consumer_and_its_definition(viewer: Visitor) -> None:
    text = read(viewer, "/projections/search-index/")

    assert "readers use cim-search-index-1" in text
    assert re.search(r"1 Serves 1", text)
    assert "Ack pending 0 of" in text
    assert "cim.events.sales.order.>" in text


def test_the_samples_are_there_as_a_table_too(viewer: Visitor) -> None:
    text = wait_for(viewer, "/projections/order-summary/", "one every 5 s; highest")

    assert "As a table Time Lag In Applied" in text


def test_a_longer_span_says_when_it_will_have_samples(viewer: Visitor) -> None:
    text = page(viewer, "/projections/order-summary/?span=7d")

    assert 'aria-current="page">7 days' in text


def test_a_projection_that_is_not_declared_is_not_found(viewer: Visitor) -> None:
    assert "No domain declares a projection 'nope'; there are aggregates, discount-audit" in read(viewer, "/projections/nope/", 404)


def test_a_span_that_there_is_not_is_refused(viewer: Visitor) -> None:
    assert "'5y' is no span of the chart" in read(viewer, "/projections/order-summary/?span=5y", 400)


def test_a_paused_projection_says_so_and_offers_to_go_on(operator: Visitor) -> None:
    wait_for(operator, start_run(operator, "/runs/new/pause/review/?projection=search-index"), "Receipt finished")

    text = wait_for(operator, "/projections/search-index/", "Paused")
    assert "Resume…" in text
    assert "Pause search-index" in text
    wait_for(operator, start_run(operator, "/runs/new/resume/review/?projection=search-index"), "Receipt finished")


def test_fragments_are_made_for_a_role_with_its_buttons(home: Home, settings: LazySettings) -> None:
    async def frames(store: Store, role: str) -> str:
        board = await read_board(informed(store))
        found = await asyncio.to_thread(board_frames, board, role=role)
        return next(frame.html for frame in found if isinstance(frame, Fragment) and frame.id == "projection-order-summary")

    assert "Needs the operator role." in home.run(frames, "viewer")
    assert "/runs/new/replay/review/?projection=order-summary" in home.run(frames, "operator")


def test_an_event_left_out_with_a_note_lets_the_projection_go_on(operator: Visitor) -> None:
    review = f"/runs/new/skip/review/?projection=discount-audit&sequence={FAILED_AT}&note=approved+by+hand"

    wait_for(operator, start_run(operator, review, typed="discount-audit"), "Receipt finished")

    text = wait_for(operator, "/projections/discount-audit/", "every event is applied")
    assert f"Sequence {FAILED_AT} , by operator" in text
    assert "approved by hand" in text
