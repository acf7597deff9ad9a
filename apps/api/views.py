"""This module is operations by the API: what there is, a plan, its dry run, its confirmation. It is the pages' code with other words."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.accounts.tokens import Grant
from apps.connection import ask
from apps.persistence.errors import InvalidInput, PersistenceError
from apps.persistence.operations import OPERATIONS
from apps.persistence.store import Store
from apps.persistence.work.commands import Rejected
from apps.persistence.work.heartbeat import list_workers
from apps.persistence.work.operation import restore_operation
from apps.runs.asking import DRY_RUN_REASON, Asking, request_run, waiting_requests
from apps.runs.catalogue import Choice, choices, find_choice
from apps.runs.forms import ConfirmForm, OperationForm, options_of
from apps.runs.plans import PlanExpired, PlanOfAnother, PlanRefused, Review, SignedPlan, make_review, unsign_for
from apps.runs.retry import read_retry

from .access import endpoint, need, open_endpoint, via
from .body import Typed, read_body, typed_from
from .offers import operation_shape, plan_shape
from .problems import Refused, invalid, kind_of
from .schema import to_json
from .shapes import ConfirmBody, DryRunBody, FieldProblem, OperationsShape, PlanBody, StartedShape
from .writing import json_response


@endpoint("GET", "runs.view")
def operations(request: HttpRequest, grant: Grant) -> HttpResponse:
    shape = OperationsShape(operations=tuple(operation_shape(choice, grant) for choice in choices()))
    return json_response(to_json(shape))


@endpoint("GET", "runs.view")
def operation(request: HttpRequest, grant: Grant, operation: str) -> HttpResponse:
    choice = find_choice(operation)
    return json_response(to_json(operation_shape(choice, grant, options_of(choice))))


@endpoint("POST", "runs.view")
def plan(request: HttpRequest, grant: Grant, operation: str) -> HttpResponse:
    choice = find_choice(operation)
    need(grant, choice.permission)
    body = read_body(request, PlanBody)
    typed = ask(read_retry, choice, body.retry_of) if body.retry_of else typed_from(choice, body.parameters)
    return json_response(to_json(plan_shape(_review(choice, typed))))


@endpoint("POST", "runs.view")
def dry_run(request: HttpRequest, grant: Grant, operation: str) -> HttpResponse:
    choice = find_choice(operation)
    need(grant, choice.permission)
    if not choice.can_dry_run:
        raise Refused("not-found", f"{choice.title} has no dry run; its plan says what it would do.")
    signed = _unsign(read_body(request, DryRunBody).plan, choice)
    return _send(signed, Asking(actor=grant.person.username, reason=DRY_RUN_REASON, via=via(grant)), is_dry_run=True)


@endpoint("POST", "runs.view")
def confirm(request: HttpRequest, grant: Grant, operation: str) -> HttpResponse:
    choice = find_choice(operation)
    need(grant, choice.permission)
    body = read_body(request, ConfirmBody)
    signed = _unsign(body.plan, choice)
    typed = {"plan": body.plan, "reason": body.reason, "limit": str(body.limit), "typed": body.confirm_with}
    form = ConfirmForm(typed, confirm_with=signed.confirm_with)
    if not form.is_valid():
        raise invalid(*_field_problems(form, {"typed": "confirm_with"}))
    given = form.cleaned_data
    asking = Asking(actor=grant.person.username, reason=given["reason"], limit=given["limit"] or 0, retry_of=body.retry_of, via=via(grant))
    return _send(signed, asking)


@open_endpoint("GET")
def problem(request: HttpRequest, name: str) -> HttpResponse:
    """What a problem's `type` stands for; it tells nothing of this console, so it needs no token."""
    kind = kind_of(name)
    if kind is None:
        raise Refused("not-found", f"There is no problem {name[:60]!r}.")
    return json_response(to_json(kind))


def _review(choice: Choice, typed: dict[str, Typed]) -> Review:
    """The plan. Raises Refused naming the parameters that make no sense."""
    form = OperationForm(choice, typed, options_of(choice))
    if not form.is_valid():
        raise invalid(*_field_problems(form, {}, prefix="parameters."))
    try:
        return make_review(choice, form.operation)
    except InvalidInput as error:
        name = str(error).partition(" ")[0].removesuffix(":")
        field = f"parameters.{name}" if name in form.fields else "parameters"
        raise invalid(FieldProblem(field=field, message=str(error))) from error


def _unsign(token: str, choice: Choice) -> SignedPlan:
    try:
        return unsign_for(token, choice)
    except PlanExpired as error:
        raise Refused("plan-expired", str(error)) from error
    except PlanOfAnother as error:
        url = reverse("api:confirm", args=[error.operation])
        raise invalid(FieldProblem(field="plan", message=f"{error} Send it to {url}.")) from error
    except PlanRefused as error:
        raise invalid(FieldProblem(field="plan", message=str(error))) from error


def _send(plan: SignedPlan, asking: Asking, *, is_dry_run: bool = False) -> HttpResponse:
    """Ask for the run. Raises Refused where a worker refuses it at once."""
    answer = ask(request_run, plan, asking, is_dry_run=is_dry_run)
    if isinstance(answer, Rejected):
        raise _rejection(plan, answer)
    run_id = plan.dry_run_id if is_dry_run else plan.run_id
    workers, waiting = ask(_queue)
    shape = StartedShape(run=run_id, url=reverse("api:run", args=[run_id]), workers_alive=workers, requests_waiting=waiting)
    response = json_response(to_json(shape), status=202)
    response.headers["Location"] = shape.url
    return response


async def _queue(store: Store) -> tuple[int, int]:
    return len(await list_workers(store.connection)), len(await waiting_requests(store.connection))


def _rejection(plan: SignedPlan, answer: Rejected) -> Refused:
    """Why a worker refused; where the world has moved, with what the plan saw and what it would see now."""
    try:
        again = make_review(find_choice(plan.operation), restore_operation(OPERATIONS, plan.operation, plan.parameters)).plan.saw
    except PersistenceError:
        again = plan.saw
    if again == plan.saw:
        return Refused("rejected", answer.reason)
    return Refused("plan-stale", answer.reason, saw=plan.saw, now=again)


def _field_problems(form: OperationForm | ConfirmForm, names: dict[str, str], prefix: str = "") -> list[FieldProblem]:
    """What a form says is wrong, under the names that programs know."""
    found = []
    for name, errors in form.errors.items():
        field = prefix.removesuffix(".") or "plan" if name == "__all__" else f"{prefix}{names.get(name, name)}"
        found += [FieldProblem(field=field, message=_named(names.get(name, name), str(error))) for error in errors]
    return found


def _named(field: str, message: str) -> str:
    """The forms say "This field" beside a field; a program's log has no beside."""
    return message.replace("This field", field, 1) if message.startswith("This field") else message
