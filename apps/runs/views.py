"""This module is the runs pages: what ran and runs, one run, and the way to a new one: parameters, review, confirmation."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.rights import permission_required, require
from apps.connection import ask
from apps.persistence.errors import InvalidInput, InvalidState, NotFound
from apps.persistence.work.commands import Rejected
from apps.persistence.work.run_commands import check_move

from .asking import DRY_RUN_REASON, Asking, control_run, request_run
from .catalogue import Choice, find_choice, grouped_choices
from .forms import ConfirmForm, OperationForm, Typed, options_of, typed_in
from .listing import read_listing
from .page import RunPage, read_run_page
from .plans import PlanRefused, Review, SignedPlan, make_review, unsign_for
from .requests import address_of, equivalent_request
from .retry import read_retry

WORDS = {"pause": "be paused", "resume": "go on", "cancel": "be cancelled", "limit": "keep to its new limit"}


@require_safe
@permission_required("runs.view")
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "runs/index.html", {"listing": ask(read_listing, request.GET.dict())})


@require_safe
@permission_required("runs.view")
def choose(request: HttpRequest) -> HttpResponse:
    return render(request, "runs/choose.html", {"groups": grouped_choices()})


@require_safe
@permission_required("runs.view")
def new(request: HttpRequest, operation: str) -> HttpResponse:
    choice = find_choice(operation)
    require(request, choice.permission)
    form = OperationForm(choice, None, options_of(choice), initial=typed_in(choice, request.GET))
    return render(request, "runs/new.html", {"choice": choice, "form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("runs.view")
def review(request: HttpRequest, operation: str) -> HttpResponse:
    choice = find_choice(operation)
    require(request, choice.permission)
    return _confirm(request, choice) if request.method == "POST" else _show_plan(request, choice)


@require_safe
@permission_required("runs.view")
def run(request: HttpRequest, run_id: str) -> HttpResponse:
    page = ask(read_run_page, run_id)
    context = {"page": page, "may_control": _may_control(request, page), "may_export": request.user.has_perm("audit.export")}
    return render(request, "runs/run.html", context, status=200 if page.is_known else 404)


@require_POST
@permission_required("runs.view")
def control(request: HttpRequest, run_id: str, word: str) -> HttpResponse:
    page = ask(read_run_page, run_id)
    if not _may_control(request, page):
        require(request, "runs.control")
    limit = _limit(request, page.unit) if word == "limit" else None
    refusal = _refusal(page, word)
    if not refusal:
        answer = ask(control_run, run_id, word, actor=request.user.get_username(), limit=limit)
        refusal = answer.reason if isinstance(answer, Rejected) else ""
    if refusal:
        messages.error(request, f"The run will not {WORDS[word]}: {refusal}")
    else:
        messages.success(request, f"Accepted: the run will {WORDS[word]}.")
    return redirect("runs:run", run_id)


def _show_plan(request: HttpRequest, choice: Choice, *, refusal: str = "") -> HttpResponse:
    """The plan as it is now, with what was typed to one before it; or the form again, with what is wrong with the parameters."""
    form = OperationForm(choice, _given(request, choice), options_of(choice))
    made = _plan(choice, form)
    if made is None and refusal:
        form.add_error(None, refusal)
    if made is None:
        return render(request, "runs/new.html", {"choice": choice, "form": form}, status=422)
    given = request.POST.dict() | {"plan": made.token} if request.method == "POST" else None
    confirm = ConfirmForm(given, token=made.token, confirm_with=made.plan.confirm_with, unit=choice.unit)
    if refusal:
        confirm.add_error(None, refusal)
    address = address_of(request, "api:plan", choice.name)
    context = {"choice": choice, "review": made, "confirm": confirm, "request_command": equivalent_request(made, address)}
    return render(request, "runs/review.html", context, status=422 if confirm.is_bound else 200)


def _plan(choice: Choice, form: OperationForm) -> Review | None:
    """The plan for the form's parameters, or None where they make no sense; the form then says why."""
    if not form.is_valid():
        return None
    try:
        return make_review(choice, form.operation)
    except (InvalidInput, NotFound) as error:
        form.add_error(None, str(error))
        return None


def _confirm(request: HttpRequest, choice: Choice) -> HttpResponse:
    """Send the confirmed plan; whatever is wrong with it leads back to the review."""
    try:
        plan = unsign_for(request.POST.get("plan", ""), choice)
    except PlanRefused as error:
        return _show_plan(request, choice, refusal=str(error))
    if request.POST.get("dry_run"):
        return _try(request, choice, plan)
    confirm = ConfirmForm(request.POST.dict(), confirm_with=plan.confirm_with)
    if not confirm.is_valid():
        return _show_plan(request, choice)
    given = confirm.cleaned_data
    retry_of = request.GET.get("retry", "")
    asking = Asking(actor=request.user.get_username(), reason=given["reason"], limit=given["limit"] or 0, retry_of=retry_of)
    answer = ask(request_run, plan, asking)
    if isinstance(answer, Rejected):
        return _show_plan(request, choice, refusal=f"Rejected: {answer.reason}")
    messages.success(request, f"Accepted as command {answer.command_id}.")
    return redirect("runs:run", plan.run_id)


def _try(request: HttpRequest, choice: Choice, plan: SignedPlan) -> HttpResponse:
    """Start the dry run of a plan. It only reads, so nothing is typed for it, not even a reason."""
    answer = ask(request_run, plan, Asking(actor=request.user.get_username(), reason=DRY_RUN_REASON), is_dry_run=True)
    if isinstance(answer, Rejected):
        return _show_plan(request, choice, refusal=f"Rejected: {answer.reason}")
    return redirect("runs:run", plan.dry_run_id)


def _given(request: HttpRequest, choice: Choice) -> Typed:
    """The parameters in the address, or, for `?retry=RUN`, those of that run narrowed to what failed in it."""
    retry_of = request.GET.get("retry", "")
    return ask(read_retry, choice, retry_of) if retry_of else typed_in(choice, request.GET)


def _limit(request: HttpRequest, unit: str) -> int:
    """Raises InvalidInput."""
    text = request.POST.get("limit", "").replace(",", "").strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise InvalidInput(f"The limit is {text[:60]!r}; write a whole number of {unit} a second, or nothing for no limit.")
    return int(text)


def _refusal(page: RunPage, word: str) -> str:
    """Why the run, as it stands, cannot do this; nothing where a worker must say."""
    try:
        if page.run:
            check_move(page.run, word)
    except InvalidState as error:
        return str(error)
    return ""


def _may_control(request: HttpRequest, page: RunPage) -> bool:
    """Operators may, and whoever asked for the run."""
    mine = page.run is not None and page.run.requested_by == request.user.get_username()
    return mine or request.user.has_perm("runs.control")
