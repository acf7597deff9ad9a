"""This module is runs by the API: found, followed, and controlled by the same rule as on the pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.accounts.tokens import Grant
from apps.connection import ask
from apps.persistence.errors import InvalidState
from apps.persistence.operations import OPERATIONS
from apps.persistence.work.commands import Rejected
from apps.persistence.work.progress import RunProgress
from apps.persistence.work.run import Run
from apps.persistence.work.run_commands import GREATEST_LIMIT, check_move
from apps.runs.asking import control_run
from apps.runs.catalogue import title_of
from apps.runs.listing import FILTERS, read_listing
from apps.runs.page import RunPage, read_run_page

from .access import endpoint, need, via
from .body import read_body
from .problems import Refused, invalid
from .run_shapes import REJECTED, WAITING, FailureShape, ProgressShape, RunDetailShape, RunShape, RunsShape, SampleShape
from .schema import to_json
from .shapes import AcceptedShape, FieldProblem, LimitBody, NoBody
from .writing import json_response


@endpoint("GET", "runs.view")
def runs(request: HttpRequest, grant: Grant) -> HttpResponse:
    unknown = sorted(request.GET.keys() - set(FILTERS))
    if unknown:
        raise invalid(
            *(FieldProblem(field=name, message=f"{name[:60]!r} is no filter; there is {', '.join(FILTERS)}.") for name in unknown)
        )
    listing = ask(read_listing, request.GET.dict())
    shape = RunsShape(
        runs=tuple(_run_shape(row.run) for row in listing.rows),
        older=listing.older,
        workers_alive=listing.workers_alive,
        requests_waiting=len(listing.waiting),
    )
    return json_response(to_json(shape))


@endpoint("GET", "runs.view")
def run(request: HttpRequest, grant: Grant, run_id: str) -> HttpResponse:
    return json_response(to_json(_detail_shape(_known(run_id))))


@endpoint("POST", "runs.view")
def control(request: HttpRequest, grant: Grant, run_id: str, word: str) -> HttpResponse:
    read_body(request, NoBody)
    return _ask(grant, run_id, word)


@endpoint("POST", "runs.view")
def limit(request: HttpRequest, grant: Grant, run_id: str) -> HttpResponse:
    given = read_body(request, LimitBody).limit
    if not 0 <= given <= GREATEST_LIMIT:
        raise invalid(FieldProblem(field="limit", message=f"limit is {given:,}; it must be from 0, for none, to {GREATEST_LIMIT:,}."))
    return _ask(grant, run_id, "limit", limit=given)


def _ask(grant: Grant, run_id: str, word: str, *, limit: int | None = None) -> HttpResponse:
    """Ask a run for something. Raises Refused where it cannot be, or a worker refuses it at once."""
    run = _known(run_id).run
    if run is None:
        raise Refused("not-in-this-state", f"No worker has taken up the request {run_id} yet, so there is no run to {word}.")
    _check_may_control(grant, run)
    try:
        check_move(run, word)
    except InvalidState as error:
        raise Refused("not-in-this-state", str(error)) from error
    answer = ask(control_run, run_id, word, actor=grant.person.username, via=via(grant), limit=limit)
    if isinstance(answer, Rejected):
        raise Refused("rejected", answer.reason)
    shape = AcceptedShape(run=run_id, url=reverse("api:run", args=[run_id]), asked=word)
    return json_response(to_json(shape), status=202)


def _check_may_control(grant: Grant, run: Run) -> None:
    """As on the pages: operators may, and whoever asked for the run; by a token of fewer rights, if it could have started it."""
    is_mine = run.requested_by == grant.person.username
    if not (is_mine and run.operation in OPERATIONS and grant.has_perm(OPERATIONS[run.operation].permission)):
        need(grant, "runs.control")


def _known(run_id: str) -> RunPage:
    page = ask(read_run_page, run_id)
    if not page.is_known:
        raise Refused("not-found", f"There is no run {run_id}: it was never asked for, or refused while this console did not listen.")
    return page


def _detail_shape(page: RunPage) -> RunDetailShape:
    run = page.run
    return RunDetailShape(
        id=page.id,
        state=run.state.value if run else (REJECTED if page.refusal else WAITING),
        refusal=page.refusal,
        run=_run_shape(run) if run else None,
        waits_for=page.waits_for.id if page.waits_for else None,
        progress=_progress_shape(page.progress) if page.progress else None,
        failures=tuple(
            FailureShape(reason=group.reason, count=group.count, items=tuple(one.item for one in group.items))
            for group in page.failures.groups
        ),
        samples=tuple(
            SampleShape(what=one.what, now=one.now, after=one.after, note=one.note, is_bad=one.is_bad, link=one.link)
            for one in (run.samples if run else ())
        ),
        workers_alive=len(page.workers),
    )


def _progress_shape(report: RunProgress) -> ProgressShape:
    return ProgressShape(
        done=report.done,
        total=report.total,
        rate=report.rate,
        seconds_left=report.seconds_left,
        sequence=report.sequence,
        updated=report.updated,
        log=report.log,
    )


def _run_shape(run: Run) -> RunShape:
    return RunShape(
        id=run.id,
        url=reverse("api:run", args=[run.id]),
        state=run.state,
        is_ended=run.state.is_ended,
        operation=run.operation,
        title=title_of(run.operation),
        parameters=run.parameters,
        target=run.target,
        summary=run.summary,
        reason=run.reason,
        requested_by=run.requested_by,
        requested_at=run.requested_at,
        via=run.via,
        retry_of=run.retry_of,
        is_dry_run=run.is_dry_run,
        limit=run.limit,
        attempts=run.attempts,
        worker=run.worker,
        started_at=run.started_at,
        ended_at=run.ended_at,
        ended_by=run.ended_by,
        outcome=run.outcome,
        figures=run.figures,
        saw=run.saw,
        digest=run.digest,
        version=run.head.version,
    )
