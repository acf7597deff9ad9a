"""This module is the tests of starting a run as a browser without JavaScript does: parameters, plan, confirmation, refusal."""

from __future__ import annotations

import html
import re

import pytest
from django.conf import LazySettings
from django.test import Client

from apps.persistence.store import COMMANDS_STREAM, CONSOLE, Store, get_stream

from .conftest import Home, Visitor
from .working_console import FAILED_AT, Worker, confirm, page, read, start_run, wait_for, words

pytestmark = pytest.mark.usefixtures("home", "worker")

REPLAY = "/runs/new/replay/review/?projection=order-summary"
PAUSE = "/runs/new/pause/review/?projection=search-index"
SKIP = f"/runs/new/skip/review/?projection=discount-audit&sequence={FAILED_AT}&note=approved+by+hand"


@pytest.fixture(autouse=True)
def at_work(viewer: Visitor, home: Home, worker: Worker) -> None:
    """The projections have run, and the audit has met the discount that stops it."""
    wait_for(viewer, "/projections/", f"Failed at {FAILED_AT}")
    wait_for(viewer, "/projections/order-summary/", "every event is applied")


def test_every_operation_is_offered_with_what_it_does(operator: Visitor) -> None:
    text = read(operator, "/runs/new/")

    assert "Replay a projection Applies events again" in text
    assert "Skip an event with a note" in text


def test_who_may_not_start_an_operation_sees_which_role_may(auditor: Visitor) -> None:
    text = page(auditor, "/runs/new/")

    assert 'href="/runs/new/verify/"' in text
    assert 'href="/runs/new/replay/"' not in text
    assert "Needs the operator role." in text


def test_the_form_offers_the_projections_there_are_and_takes_over_the_address(operator: Visitor) -> None:
    text = page(operator, "/runs/new/replay/?projection=search-index")

    assert '<option value="search-index" selected>' in text
    assert '<option value="order-summary">' in text
    assert "The name of the projection, such as order-summary." in text


def test_a_switch_keeps_its_default_until_somebody_says_otherwise(operator: Visitor) -> None:
    text = page(operator, "/runs/new/verify/")

    assert '<option value="off" selected>No</option>' in text


def test_a_parameter_that_cannot_be_is_named_beside_its_field(operator: Visitor) -> None:
    text = read(operator, "/runs/new/skip/review/?projection=discount-audit&sequence=abc&note=x", 422)

    assert "sequence is 'abc'; it must be a whole number." in text


def test_a_parameter_that_is_missing_is_named(operator: Visitor) -> None:
    assert "This field is required." in read(operator, "/runs/new/replay/review/", 422)


def test_what_a_plan_refuses_is_said_above_the_form(operator: Visitor) -> None:
    text = page(operator, "/runs/new/skip/review/?projection=discount-audit&sequence=7&note=a+note+to+keep", 422)

    assert "discount-audit is not stopped at sequence 7, so that event cannot be left out." in words(text)
    assert "a note to keep</textarea>" in text


def test_the_review_shows_now_and_after_the_undo_and_the_same_as_a_command(operator: Visitor) -> None:
    text = read(operator, REPLAY)

    assert "Replay order-summary from the first event" in text
    assert re.search(r"Build that serves \d+ a new one, from the first event", text)
    assert "Before the switch: cancel, and nothing has changed." in text
    assert "python3 manage.py start replay --projection order-summary" in text


def test_the_review_shows_the_same_as_requests_to_the_api_and_no_token(operator: Visitor) -> None:
    text = html.unescape(page(operator, SKIP))

    assert """-d '{"parameters": {"projection": "discount-audit", "sequence": 155, "note": "approved by hand"}}' """ in text
    assert "http://testserver/api/v1/operations/skip/plan" in text
    assert """| jq '{plan, reason: "…", confirm_with: "discount-audit"}' """ in text
    assert '"Authorization: Bearer $CIM_TOKEN" -d @-' in text


def test_requests_go_to_the_origin_that_browsers_use(operator: Visitor, settings: LazySettings) -> None:
    settings.CIM_ORIGINS = ["https://other.example.org", "https://testserver"]

    assert "https://testserver/api/v1/operations/skip/plan" in page(operator, SKIP)


def test_planning_writes_nothing(operator: Visitor, home: Home) -> None:
    async def positions(store: Store) -> list[int]:
        return [(await get_stream(store.connection, name)).last_sequence for name in (CONSOLE.stream, COMMANDS_STREAM)]

    before = home.run(positions)
    page(operator, REPLAY)

    assert home.run(positions) == before


def test_a_confirmed_plan_becomes_a_run_that_ends_with_a_receipt(operator: Visitor) -> None:
    run = start_run(operator, REPLAY, reason="the totals looked wrong")

    text = wait_for(operator, run, "Receipt finished")
    assert "Asked for by operator" in text
    assert "the totals looked wrong" in text
    assert re.search(r"Applied \d+ events; build \d+ of order-summary serves", text)
    assert "v1 requested" in text
    assert "v4 finished" in text


def test_the_acknowledgement_is_shown_once(operator: Visitor) -> None:
    run = start_run(operator, "/runs/new/resume/review/?projection=search-index")

    assert "Accepted as command" in read(operator, run)
    assert "Accepted as command" not in read(operator, run)


def test_without_a_reason_nothing_starts_and_the_review_says_so(operator: Visitor) -> None:
    response = confirm(operator, PAUSE, status=422, reason="  ")

    assert "Say why; others will read it with this run." in words(response.content.decode())


def test_what_destroys_wants_its_target_typed(operator: Visitor) -> None:
    response = confirm(operator, SKIP, status=422, typed="discount")

    text = response.content.decode()
    assert "This is not discount-audit; type it exactly." in words(text)
    assert ">because</textarea>" in text.replace("\n", "")


def test_a_plan_that_the_console_did_not_make_starts_nothing(operator: Visitor) -> None:
    response = operator.post(PAUSE, {"plan": "bm90IG91cnM:1abc:forged", "reason": "because"})

    assert response.status_code == 422
    assert "The plan did not come from this console." in words(response.content.decode())


def test_a_plan_of_another_operation_starts_nothing(operator: Visitor) -> None:
    token = re.search(r'name="plan" value="([^"]+)"', page(operator, PAUSE))
    assert token is not None

    response = operator.post(REPLAY, {"plan": token[1], "reason": "because"})

    assert response.status_code == 422
    assert "The plan belongs to the operation Pause a projection, not to Replay a projection." in words(response.content.decode())


def test_a_plan_of_another_operation_is_told_even_where_the_address_has_no_parameters(operator: Visitor) -> None:
    token = re.search(r'name="plan" value="([^"]+)"', page(operator, PAUSE))
    assert token is not None

    response = operator.post("/runs/new/replay/review/", {"plan": token[1], "reason": "because"})

    assert "The plan belongs to the operation Pause a projection" in words(response.content.decode())


def test_a_plan_that_is_too_old_is_made_anew(operator: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.runs.plans.VALID_SECONDS", -1)

    response = confirm(operator, PAUSE, status=422)

    assert "The plan was older than an hour." in words(response.content.decode())


def test_a_world_that_moved_meanwhile_is_told_in_words_and_nothing_starts(operator: Visitor) -> None:
    token = re.search(r'name="plan" value="([^"]+)"', page(operator, REPLAY))
    assert token is not None
    wait_for(operator, start_run(operator, REPLAY), "Receipt finished")

    response = operator.post(REPLAY, {"plan": token[1], "reason": "the older plan"})

    assert response.status_code == 422
    text = response.content.decode()
    assert "Rejected: The plan no longer holds: serving was" in words(text)
    assert "the older plan" in text


def test_confirming_a_plan_twice_starts_one_run(operator: Visitor) -> None:
    token = re.search(r'name="plan" value="([^"]+)"', page(operator, "/runs/new/resume/review/?projection=order-summary"))
    assert token is not None
    address, given = "/runs/new/resume/review/?projection=order-summary", {"plan": token[1], "reason": "twice"}

    first, second = operator.post(address, given), operator.post(address, given)

    assert first.headers["Location"] == second.headers["Location"]
    assert wait_for(operator, first.headers["Location"], "Receipt finished").count("v1 requested") == 1


def test_who_lacks_the_role_cannot_plan_and_is_told_which_it_needs(viewer: Visitor) -> None:
    assert "This needs the operator role" in read(viewer, REPLAY, 403)


def test_an_operation_that_does_not_exist_is_not_found(operator: Visitor) -> None:
    assert "There is no operation 'erase'; there are" in read(operator, "/runs/new/erase/", 404)


def test_somebody_signed_out_signs_in_first_and_comes_back(visitor: Client) -> None:
    response = visitor.get(REPLAY)

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/sign-in?next=/runs/new/replay/review/")
