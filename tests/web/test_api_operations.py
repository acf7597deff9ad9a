"""This module is the tests of planning and starting operations by the API, as programs do."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from apps.accounts.tokens import TokenRights
from apps.persistence.operations import OPERATIONS
from apps.persistence.store import COMMANDS_STREAM, Store, get_stream
from tests.persistence.trial_operations import Count, Pick

from .api_stage import program_of
from .conftest import Home, Visitor
from .working_console import page

pytestmark = pytest.mark.usefixtures("home", "worker")


@pytest.fixture(autouse=True, scope="module")
def trial_operations() -> Iterator[None]:
    """The console knows two more operations, and so does the worker in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OPERATIONS, "count", Count)  # type: ignore[arg-type]
        patch.setitem(OPERATIONS, "pick", Pick)  # type: ignore[arg-type]
        yield


async def last_command(store: Store) -> int:
    return (await get_stream(store.connection, COMMANDS_STREAM)).last_sequence


def test_every_operation_is_listed_with_its_parameters(auditor: Visitor) -> None:
    answer = program_of(auditor).get("/operations")

    found = {one["name"]: one for one in answer.body["operations"]}
    assert sorted(found) == sorted(OPERATIONS)
    assert found["verify"]["may_start"] is True
    assert found["purge"]["may_start"] is False
    assert found["purge"]["parameters"][0]["is_required"] is True


def test_one_operation_names_the_values_that_there_are_now(operator: Visitor) -> None:
    answer = program_of(operator).get("/operations/count")

    parameters = {one["name"]: one for one in answer.body["parameters"]}
    assert parameters["fruit"]["options"] == ["apple", "pear", "plum"]
    assert parameters["to"]["schema"] == {
        "description": "How far.",
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 100000,
        "default": 3,
    }


def test_plan_says_what_the_review_says_and_writes_nothing(operator: Visitor, home: Home) -> None:
    before = home.run(last_command)

    plan = program_of(operator).plan("replay", projection="order-summary")

    assert plan["summary"].startswith("Replay order-summary from the first event")
    assert plan["target"] == "projection/order-summary"
    assert plan["undo"].startswith("Before the switch: cancel")
    assert plan["command"].startswith("python3 manage.py start replay --projection order-summary")
    assert home.run(last_command) == before


def test_every_kind_of_parameter_arrives_as_it_was_sent(operator: Visitor) -> None:
    sent = {"to": 2, "name": "all kinds", "fruit": "pear", "fruits": ["plum", "apple"], "start": 7, "note": "a\nb", "is_exact": False}

    plan = program_of(operator).plan("count", **sent)

    assert plan["parameters"] == {**sent, "start": "7", "how": "up", "most": None}


def test_confirmed_plan_becomes_a_run_that_names_the_person_and_the_token(operator: Visitor) -> None:
    program = program_of(operator)

    run_id = program.start("pick", reason="every night", count=3, broken=0)

    run = program.wait_for(run_id, "finished")["run"]
    assert (run["requested_by"], run["via"], run["reason"]) == ("operator", "the API, token nightly", "every night")
    assert run["outcome"] == "Picked 3: 1 2 3."
    assert run["figures"]["events"] == 3
    assert "By way of" in page(operator, f"/runs/{run_id}/")


def test_confirming_twice_starts_one_run(operator: Visitor) -> None:
    program = program_of(operator)
    plan = program.plan("pick", count=2)["plan"]

    first, second = (program.post("/operations/pick/confirm", plan=plan, reason="twice") for _ in range(2))

    assert first.body["run"] == second.body["run"]
    assert first.headers["Location"] == f"/api/v1/runs/{first.body['run']}"
    assert program.wait_for(first.body["run"], "finished")["run"]["version"] == 4


def test_dry_run_needs_no_reason_and_shows_samples(operator: Visitor) -> None:
    program = program_of(operator)

    answer = program.post("/operations/count/dry-run", plan=program.plan("count", to=2)["plan"])

    detail = program.wait_for(answer.body["run"], "finished")
    assert detail["run"]["is_dry_run"] is True
    assert detail["samples"][0] == {"what": "step 1", "now": "0", "after": "1", "note": "", "is_bad": False, "link": ""}


def test_operation_without_a_dry_run_says_so(operator: Visitor) -> None:
    program = program_of(operator)

    answer = program.post("/operations/pick/dry-run", plan=program.plan("pick")["plan"])

    assert (answer.status, answer.body["detail"]) == (404, "Pick has no dry run; its plan says what it would do.")


def test_what_destroys_wants_its_target_by_name(operator: Visitor) -> None:
    program = program_of(operator)
    plan = program.plan("skip", projection="discount-audit", sequence=155, note="approved")

    answer = program.post("/operations/skip/confirm", plan=plan["plan"], reason="because", confirm_with="discount")

    assert plan["confirm_with"] == "discount-audit"
    assert answer.status == 400
    assert answer.body["errors"] == [{"field": "confirm_with", "message": "This is not discount-audit; type it exactly."}]


@pytest.mark.parametrize(
    ("parameters", "field", "message"),
    [
        ({"to": "many"}, "parameters.to", 'to must be a whole number, and it is "many".'),
        ({"to": True}, "parameters.to", "to must be a whole number, and it is true."),
        ({"to": 0}, "parameters.to", "to is 0; it must be at least 1 and at most 100,000."),
        ({"fruit": "nut"}, "parameters.fruit", "Select a valid choice. nut is not one of the available choices."),
        ({"fruit": "n" * 9_000}, "parameters.fruit", f"Select a valid choice. {'n' * 80} is not one of the available choices."),
        ({"fruits": "plum"}, "parameters.fruits", 'fruits must be a list of texts, and it is "plum".'),
        ({"start": "soon"}, "parameters.start", "start: "),
        ({"colour": 1}, "parameters.colour", "Count has no parameter 'colour'; it has to, name, how"),
        ({"how": "down"}, "parameters.how", "how is down; this counts up only."),
        ({"name": "a\0b"}, "parameters.name", "Null characters are not allowed."),
    ],
)
def test_parameter_that_makes_no_sense_is_named(operator: Visitor, parameters: dict[str, object], field: str, message: str) -> None:
    answer = program_of(operator).post("/operations/count/plan", parameters=parameters)

    assert (answer.status, answer.body["type"]) == (400, "/api/v1/problems/invalid-input")
    assert answer.body["errors"][0]["field"] == field
    assert answer.body["errors"][0]["message"].startswith(message)


def test_parameter_that_is_missing_is_named(operator: Visitor) -> None:
    answer = program_of(operator).post("/operations/replay/plan", parameters={})

    assert answer.body["errors"] == [{"field": "parameters.projection", "message": "projection is required."}]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("{", "The body is not JSON: "),
        ("[]", "The body must be a JSON object, such as {}."),
        ('{"plan": NaN}', "The body is not JSON: NaN is no JSON."),
        ('{"plan": "\\ud800", "reason": "x"}', "The body is not JSON: "),
        ("[" * 100_000, "The body is not JSON: "),
        ('{"reason": "x"}', "plan is missing; it is a text."),
        ('{"plan": "x", "reason": 7}', "reason must be a text, and it is 7."),
        ('{"plan": "x", "reason": "y", "sure": true}', "'sure' is no field here; there is plan, reason, confirm_with, limit, retry_of."),
        ('{"plan": "x", "reason": "y"}', "The plan did not come from this console. Plan again."),
    ],
)
def test_body_that_cannot_be_used_is_refused_with_its_fault(operator: Visitor, text: str, detail: str) -> None:
    answer = program_of(operator).send("POST", "/operations/pick/confirm", text)

    assert answer.status == 400
    assert answer.body["detail"].startswith(detail)


def test_body_that_is_too_large_is_not_read(operator: Visitor) -> None:
    answer = program_of(operator).send("POST", "/operations/pick/plan", json.dumps({"parameters": {"only": ["x" * 1_100_000]}}))

    assert (answer.status, answer.body["type"]) == (413, "/api/v1/problems/too-large")


def test_plan_without_a_reason_or_with_too_great_a_limit_starts_nothing(operator: Visitor, home: Home) -> None:
    program = program_of(operator)
    plan, before = program.plan("pick")["plan"], home.run(last_command)

    answer = program.post("/operations/pick/confirm", plan=plan, reason=" ", limit=10_000_001)

    assert {one["field"] for one in answer.body["errors"]} == {"reason", "limit"}
    assert home.run(last_command) == before


def test_plan_of_another_operation_is_told_where_it_belongs(operator: Visitor) -> None:
    program = program_of(operator)

    answer = program.post("/operations/count/confirm", plan=program.plan("pick")["plan"], reason="because")

    assert answer.status == 400
    assert answer.body["detail"] == "The plan belongs to the operation Pick, not to Count. Send it to /api/v1/operations/pick/confirm."


def test_plan_older_than_an_hour_is_refused(operator: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of(operator)
    plan = program.plan("pick")["plan"]
    monkeypatch.setattr("apps.runs.plans.VALID_SECONDS", -1)

    answer = program.post("/operations/pick/confirm", plan=plan, reason="because")

    assert (answer.status, answer.body["type"]) == (409, "/api/v1/problems/plan-expired")


def test_plan_that_no_longer_holds_is_refused_with_the_numbers(operator: Visitor) -> None:
    program = program_of(operator)
    plan = program.plan("replay", projection="order-summary")
    program.wait_for(program.start("replay", projection="order-summary"), "finished")

    answer = program.post("/operations/replay/confirm", plan=plan["plan"], reason="the older plan")

    assert (answer.status, answer.body["type"]) == (409, "/api/v1/problems/plan-stale")
    assert answer.body["detail"].startswith("The plan no longer holds: serving was ")
    assert answer.body["saw"] == plan["saw"]
    assert answer.body["now"]["serving"] == plan["saw"]["serving"] + 1


def test_what_failed_is_told_and_only_that_is_retried(operator: Visitor) -> None:
    program = program_of(operator)
    run_id = program.start("pick", count=30, broken=7)
    assert program.wait_for(run_id, "finished")["failures"] == [{"reason": "7 divides it", "count": 4, "items": ["7", "14", "21", "28"]}]

    plan = program.post("/operations/pick/plan", retry_of=run_id).body["plan"]
    again = program.post("/operations/pick/confirm", plan=plan, reason="once more", retry_of=run_id).body["run"]

    assert program.wait_for(again, "finished")["run"]["outcome"] == "Picked 4: 7 14 21 28."
    assert program.get(f"/runs/{again}").body["run"]["retry_of"] == run_id


def test_operation_that_does_not_exist_is_not_found(operator: Visitor) -> None:
    program = program_of(operator)

    answers = [program.get("/operations/erase"), program.post("/operations/erase/plan")]

    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].body["detail"].startswith("There is no operation 'erase'; there are ")


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_viewer_who_posts_to_an_operation_is_refused_with_the_permission_and_nothing_is_asked(
    viewer: Visitor, home: Home, name: str
) -> None:
    program, before = program_of(viewer), home.run(last_command)

    answers = [program.post(f"/operations/{name}/{word}", plan="x", reason="because") for word in ("plan", "dry-run", "confirm")]

    assert [answer.status for answer in answers] == [403, 403, 403]
    assert {answer.body["permission"] for answer in answers} == {OPERATIONS[name].permission}
    assert home.run(last_command) == before


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_admin_with_a_token_to_look_only_can_start_nothing(admin: Visitor, home: Home, name: str) -> None:
    program, before = program_of(admin, TokenRights(permissions=("runs.view",))), home.run(last_command)

    answers = [program.post(f"/operations/{name}/{word}", plan="x", reason="because") for word in ("plan", "dry-run", "confirm")]

    assert [answer.status for answer in answers] == [403, 403, 403]
    assert home.run(last_command) == before
