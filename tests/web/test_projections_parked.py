"""The page of parked events: what was set aside, why and by whom, of all projections or of one, and the two ways to decide on it."""

from __future__ import annotations

import pytest

from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.projections import read_record
from apps.persistence.store import Store, append

from .conftest import Home, Visitor
from .working_console import FAILED_AT, Worker, page, read, start_run, wait_for

HOSTILE = "<script>alert(1)</script>"
PARK = f"/runs/new/park/review/?projection=discount-audit&note=ask+%3Cb%3EAda%3C%2Fb%3E&sequence={FAILED_AT}"

pytestmark = pytest.mark.usefixtures("home", "worker")


@pytest.fixture
def parked(operator: Visitor, home: Home) -> str:
    """The discount that stopped the audit is parked, by an operator, with a note."""

    async def is_parked(store: Store) -> bool:
        record = await read_record(store.connection, "discount-audit")
        return any(event.sequence == FAILED_AT for event in record.parked)

    wait_for(operator, "/projections/discount-audit/", "1 Serves" if home.run(is_parked) else f"Failed at {FAILED_AT}")
    if not home.run(is_parked):
        wait_for(operator, start_run(operator, PARK), "is parked; the projection goes on after it.")
    return "/projections/all/parked-events/"


def test_nothing_parked_is_said_with_how_to_park(viewer: Visitor) -> None:
    assert "No event is parked" in read(viewer, "/projections/all/parked-events/?projection=order-summary")


def test_projection_that_stopped_offers_to_park_the_event(operator: Visitor) -> None:
    wait_for(operator, "/projections/discount-audit/", f"Failed at {FAILED_AT}")

    address = f'href="/runs/new/park/?projection=discount-audit&amp;sequence={FAILED_AT}"'
    assert address in page(operator, "/projections/discount-audit/")
    assert address in page(operator, "/projections/")


def test_parked_event_is_listed_with_its_reason_its_note_and_who_parked_it(viewer: Visitor, parked: str) -> None:
    text = read(viewer, parked)

    assert f"{FAILED_AT} discount-audit discount_applied sales.order.clearance-order" in text
    assert "nobody may give more than 50 %" in text
    assert "ask <b>Ada</b>" in text
    assert "<b>Ada</b>" not in page(viewer, parked)
    assert "by operator" in text
    assert f'href="/streams/CIM-EVENTS/{FAILED_AT}/"' in page(viewer, parked)


def test_page_of_one_projection_holds_only_its_own(viewer: Visitor, parked: str) -> None:
    assert "clearance-order" in read(viewer, f"{parked}?projection=discount-audit")
    assert "clearance-order" not in read(viewer, f"{parked}?projection=order-summary")
    assert "No domain declares a projection '<i>'" in read(viewer, f"{parked}?projection=<i>", 404)


def test_projection_and_board_lead_to_what_is_parked(viewer: Visitor, parked: str) -> None:
    assert "1 event is parked" in wait_for(viewer, "/projections/", "is parked")
    assert 'href="/projections/all/parked-events/?projection=discount-audit"' in page(viewer, "/projections/discount-audit/")


def test_operator_is_led_to_both_decisions_and_a_viewer_told_the_role(operator: Visitor, viewer: Visitor, parked: str) -> None:
    text = page(operator, parked)

    assert f'href="/runs/new/replay-parked/review/?projection=discount-audit&amp;sequence={FAILED_AT}"' in text
    assert f'href="/runs/new/dismiss-parked/?projection=discount-audit&amp;sequence={FAILED_AT}"' in text
    assert "/runs/new/" not in page(viewer, parked)
    assert "Needs the operator role." in page(viewer, parked)


def test_event_that_still_cannot_be_applied_stays_parked(operator: Visitor, parked: str) -> None:
    review = f"/runs/new/replay-parked/review/?projection=discount-audit&sequence={FAILED_AT}"

    assert "still cannot be applied" in read(operator, review, 422)
    assert "clearance-order" in read(operator, parked)


def test_hostile_reason_of_an_event_is_shown_and_never_run(operator: Visitor, home: Home, parked: str) -> None:
    async def write(store: Store) -> int:
        head = Head(aggregate=AggregateRef("sales", "order", "hostile"))
        discount = NewEvent(type="discount_applied", payload={"percent": 99, "reason": HOSTILE})
        return (await append(store, head, [discount]))[-1].sequence

    sequence = home.run(write)
    wait_for(operator, "/projections/discount-audit/", f"Failed at {sequence}")
    wait_for(operator, start_run(operator, PARK.replace(f"={FAILED_AT}", f"={sequence}")), "is parked; the projection goes on after it.")

    text = page(operator, parked)
    assert HOSTILE not in text
    assert HOSTILE in read(operator, parked)


def test_dismissed_event_is_parked_no_more_and_stands_with_those_left_out(
    operator: Visitor, home: Home, parked: str, worker: Worker
) -> None:
    review = f"/runs/new/dismiss-parked/review/?projection=discount-audit&note=agreed&sequence={FAILED_AT}"

    wait_for(operator, start_run(operator, review, typed="discount-audit"), "for good.")

    assert "clearance-order" not in read(operator, parked)
    assert f"Sequence {FAILED_AT} , by operator" in read(operator, "/projections/discount-audit/")
    assert "No event is parked at sequence" in read(operator, review, 422)
