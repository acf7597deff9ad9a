"""This module is the tests of the page of one run and of the list: followed, paused, cancelled, filtered, and waiting in vain."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from apps.persistence.store.embedded import EmbeddedServer

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for

UNKNOWN = "/runs/0193e000-0000-7000-8000-000000000009/"
SLOW_REPLAY = "/runs/new/replay/review/?projection=slow-orders"
VERIFY = "/runs/new/verify/review/?stream=CIM-EVENTS&full=on"


@pytest.fixture(scope="module")
def slow_worker(demo_server: EmbeddedServer) -> Iterator[Worker]:
    with Worker(demo_server, ["apps.domain", "tests.web.slow_domain"]) as alive:
        yield alive


@pytest.fixture
def slow(home: Home, slow_worker: Worker, settings: LazySettings, operator: Visitor) -> None:
    """A projection whose replay takes some seconds, and that has run once."""
    settings.CIM_DOMAINS = ["apps.domain", "tests.web.slow_domain"]
    wait_for(operator, "/projections/slow-orders/", "every event is applied")


@pytest.mark.usefixtures("slow")
def test_a_running_run_tells_how_far_it_is_and_that_the_page_may_be_closed(operator: Visitor) -> None:
    run = start_run(operator, SLOW_REPLAY)

    text = wait_for(operator, run, "You can close this page. The run goes on at worker")
    assert re.search(r"[\d,]+ of [\d,]+", text)
    assert "last heartbeat" in text
    assert "Cancel ends the run for good after the batch at hand" in text
    operator.post(f"{run}cancel/")
    wait_for(operator, run, "Cancelled by operator.")


@pytest.mark.usefixtures("slow")
def test_a_run_is_paused_goes_on_and_finishes(operator: Visitor) -> None:
    run = start_run(operator, SLOW_REPLAY)
    wait_for(operator, run, "The run goes on at worker")

    operator.post(f"{run}pause/")
    assert "It rests; nothing is lost, and Resume goes on" in wait_for(operator, run, "Paused Asked for")
    operator.post(f"{run}resume/")

    assert "in 2 attempts" in wait_for(operator, run, "Receipt finished")


@pytest.mark.usefixtures("slow")
def test_a_run_that_ended_cannot_go_on_and_the_refusal_is_shown(operator: Visitor) -> None:
    run = start_run(operator, VERIFY)
    assert "Scope stream Stream CIM-EVENTS Type – Aggregate – Full yes Asked for by" in wait_for(operator, run, "Receipt finished")

    operator.post(f"{run}resume/")

    assert "The run will not go on: The run is finished; it cannot be resumed any more." in read(operator, run)


@pytest.mark.usefixtures("slow")
def test_a_viewer_follows_a_run_but_cannot_stop_it(operator: Visitor, viewer: Visitor) -> None:
    run = start_run(operator, SLOW_REPLAY)
    text = wait_for(viewer, run, "The run goes on at worker")

    assert "Cancel Needs the operator role." in text
    assert viewer.post(f"{run}cancel/").status_code == 403
    operator.post(f"{run}cancel/")
    wait_for(operator, run, "Cancelled by operator.")


@pytest.mark.usefixtures("slow")
def test_who_started_a_run_may_stop_it_whatever_the_role(auditor: Visitor) -> None:
    run = start_run(auditor, VERIFY)
    wait_for(auditor, run, "Asked for by auditor")

    assert auditor.post(f"{run}cancel/").status_code == 302


@pytest.mark.usefixtures("slow")
def test_a_verification_leads_from_its_receipt_to_the_audit(auditor: Visitor) -> None:
    run = start_run(auditor, VERIFY)
    wait_for(auditor, run, "Receipt finished")

    text = page(auditor, run)
    assert 'href="/audit/CIM-EVENTS/"' in text
    assert "Intact: " in text


@pytest.mark.usefixtures("slow")
def test_the_list_is_filtered_by_operation_person_state_and_target(operator: Visitor, auditor: Visitor) -> None:
    run = start_run(auditor, "/runs/new/verify/review/?stream=CIM-CONSOLE")
    wait_for(auditor, "/runs/?target=CIM-CONSOLE", "Verify CIM-CONSOLE")

    chosen = page(operator, "/runs/?operation=verify&person=auditor&target=console")
    assert f'href="{run}"' in chosen
    assert f'href="{run}"' not in page(operator, "/runs/?operation=replay")
    assert f'href="{run}"' not in page(operator, "/runs/?person=operator")


@pytest.mark.usefixtures("slow")
def test_a_filter_that_nothing_passes_says_so_and_can_be_cleared(operator: Visitor) -> None:
    text = read(operator, "/runs/?person=nobody")

    assert "No run for this filter" in text
    assert "No run yet" not in text


@pytest.mark.usefixtures("slow")
def test_a_state_that_no_run_can_be_in_is_named(operator: Visitor) -> None:
    text = read(operator, "/runs/?state=asleep", 400)

    assert "No run can be 'asleep'; a run is requested, confirmed, running" in text


@pytest.mark.usefixtures("slow")
def test_a_run_that_nobody_asked_for_is_not_found(viewer: Visitor) -> None:
    assert "There is no run 0193e000-0000-7000-8000-000000000009" in read(viewer, UNKNOWN, 404)


@pytest.mark.usefixtures("slow")
def test_an_id_that_no_run_can_have_is_not_found(viewer: Visitor) -> None:
    assert viewer.get("/runs/..%2f../").status_code == 404
