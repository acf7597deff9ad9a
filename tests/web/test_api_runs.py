"""This module is the tests of finding, following and controlling runs by the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.accounts.roles import Role
from apps.accounts.tokens import TokenRights
from apps.persistence.operations import OPERATIONS
from tests.persistence.trial_operations import Count, Pick

from .api_stage import program_of
from .conftest import Visitor
from .working_console import wait_until

pytestmark = pytest.mark.usefixtures("home", "worker")

UNKNOWN = "0193fb2e-0000-7000-8000-000000000000"


@pytest.fixture(autouse=True, scope="module")
def trial_operations() -> Iterator[None]:
    """The console knows two more operations, and so does the worker in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OPERATIONS, "count", Count)  # type: ignore[arg-type]
        patch.setitem(OPERATIONS, "pick", Pick)  # type: ignore[arg-type]
        yield


def test_runs_are_found_by_the_filters_of_the_page(operator: Visitor) -> None:
    program = program_of(operator)
    run_id = program.start("pick", count=2, broken=0)
    program.wait_for(run_id, "finished")

    found = program.get("/runs?operation=pick&state=finished&person=operator&target=pick&since=1+hour+ago").body

    assert found["runs"][0]["id"] == run_id
    assert found["workers_alive"] == 1
    assert program.get("/runs?until=1+hour+ago").body["runs"] == []


def test_runs_come_page_by_page(operator: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of(operator)
    older, newer = (program.start("pick", count=1, broken=0) for _ in range(2))
    program.wait_for(newer, "finished")
    monkeypatch.setattr("apps.runs.listing.PAGE_RUNS", 1)

    first = program.get("/runs?operation=pick").body
    second = program.get(f"/runs?operation=pick&before={first['older']}").body

    assert [one["id"] for one in (*first["runs"], *second["runs"])] == [newer, older]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("state=broken", "No run can be 'broken'; a run is "),
        ("since=7", "'7' is no time; write a time such as "),
        ("colour=red", "'colour' is no filter; there is state, operation, "),
    ],
)
def test_filter_that_makes_no_sense_is_refused(viewer: Visitor, query: str, detail: str) -> None:
    answer = program_of(viewer).get(f"/runs?{query}")

    assert answer.status == 400
    assert answer.body["detail"].startswith(detail)


def test_run_is_paused_resumed_limited_and_cancelled(operator: Visitor) -> None:
    program = program_of(operator)
    run_id = program.start("count", to=5000, name="controlled")
    program.wait_for(run_id, "running")

    assert program.post(f"/runs/{run_id}/pause").body["asked"] == "pause"
    program.wait_for(run_id, "paused")
    assert program.post(f"/runs/{run_id}/resume").status == 202
    program.wait_for(run_id, "running")
    assert program.post(f"/runs/{run_id}/limit", limit=40).status == 202
    assert program.get(f"/runs/{run_id}").body["run"]["limit"] == 40
    assert program.post(f"/runs/{run_id}/cancel").status == 202

    detail = program.wait_for(run_id, "cancelled")
    assert detail["run"]["ended_by"] == "operator"
    assert detail["progress"]["total"] == 5000


def test_what_a_run_cannot_do_as_it_stands_is_told(operator: Visitor) -> None:
    program = program_of(operator)
    run_id = program.start("count", to=5000, name="told")
    program.wait_for(run_id, "running")

    running = program.post(f"/runs/{run_id}/resume")
    program.post(f"/runs/{run_id}/pause")
    program.wait_for(run_id, "paused")
    paused = program.post(f"/runs/{run_id}/pause")
    program.post(f"/runs/{run_id}/cancel")
    program.wait_for(run_id, "cancelled")
    ended = [program.post(f"/runs/{run_id}/cancel"), program.post(f"/runs/{run_id}/pause")]

    assert (running.status, running.body["type"]) == (409, "/api/v1/problems/not-in-this-state")
    assert running.body["detail"] == "The run is running already; only a paused run can be resumed."
    assert (paused.status, paused.body["detail"]) == (409, "The run is paused already.")
    assert [one.body["detail"] for one in ended] == ["The run is cancelled already.", "The run is cancelled; it cannot be paused any more."]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("{}", "limit is missing; it is a whole number."),
        ('{"limit": "5"}', 'limit must be a whole number, and it is "5".'),
        ('{"limit": -1}', "limit is -1; it must be from 0, for none, to 10,000,000."),
    ],
)
def test_limit_that_makes_no_sense_is_refused(operator: Visitor, text: str, detail: str) -> None:
    answer = program_of(operator).send("POST", f"/runs/{UNKNOWN}/limit", text)

    assert (answer.status, answer.body["detail"]) == (400, detail)


def test_run_that_was_never_asked_for_is_not_found(operator: Visitor) -> None:
    program = program_of(operator)

    answers = [program.get(f"/runs/{UNKNOWN}"), program.post(f"/runs/{UNKNOWN}/pause")]

    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].body["detail"].startswith(f"There is no run {UNKNOWN}: it was never asked for")


@pytest.mark.parametrize("word", ["pause", "resume", "cancel", "limit"])
def test_viewer_cannot_control_a_run_of_somebody_else(viewer: Visitor, operator: Visitor, word: str) -> None:
    run_id = program_of(operator).start("pick", count=2)
    program_of(operator).wait_for(run_id, "finished")

    answer = program_of(viewer).send("POST", f"/runs/{run_id}/{word}", '{"limit": 1}' if word == "limit" else "")

    assert (answer.status, answer.body["permission"], answer.body["role"]) == (403, "runs.control", "operator")


def test_whoever_asked_may_control_unless_the_token_could_not_have_asked(auditor: Visitor) -> None:
    program = program_of(auditor)
    run_id = program.start("verify", stream="CIM-EVENTS")
    program.wait_for(run_id, "finished")

    own = program.post(f"/runs/{run_id}/cancel")
    lesser = program_of(auditor, TokenRights(role=Role.VIEWER)).post(f"/runs/{run_id}/cancel")

    assert (own.status, own.body["detail"]) == (409, "The run is finished; it cannot be cancelled any more.")
    assert (lesser.status, lesser.body["permission"]) == (403, "runs.control")


def test_second_run_on_a_busy_target_names_the_one_it_waits_for(operator: Visitor) -> None:
    program = program_of(operator)
    first = program.start("count", to=5000, name="busy")
    program.wait_for(first, "running")

    second = program.start("count", to=1, name="busy")

    wait_until(lambda: program.get(f"/runs/{second}").body["waits_for"] == first, "the run ahead was never named")
    program.post(f"/runs/{first}/cancel")
    program.wait_for(second, "finished")
