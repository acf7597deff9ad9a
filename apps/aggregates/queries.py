"""This module is the page on which a person asks a query: its form, the acknowledgement, and the result that was published for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.display.differences import Lines, show
from apps.domain.cqrs import DeclaredQuery, EventStreamSubscription, QueryRejected, ask_query
from apps.persistence.encoding import Value
from apps.persistence.errors import Unavailable
from apps.persistence.events import new_id
from apps.persistence.registry import Query
from apps.persistence.store import Store

from .entering import CommandForm, blank_form, read_form
from .offers import queries_for

ACK_SECONDS = 10.0
RESULT_SECONDS = 15.0
PAGE_SECONDS = 30.0
_ASKED = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of a query: `lines` is its result, `rejected` why there is none, `failed` why it failed after it was accepted."""

    correlation: str
    lines: Lines | None = None
    rejected: str = ""
    failed: str = ""


@require_safe
@permission_required("aggregates.view")
def query(request: HttpRequest, context: str, type: str, name: str) -> HttpResponse:
    """The form of a query, and once it was filled in, its result."""
    declared, given = _find(context, type, name), request.GET.dict()
    if _ASKED not in given or given.get("more"):
        return _show(request, context, type, blank_form(declared, given))
    form = read_form(declared, given)
    if form.payload is None:
        return _show(request, context, type, form, status=422)
    asked = _query(context, type, name, form.payload, request.user.get_username())
    return _show(request, context, type, form, answered=ask(_answer, asked, timeout_seconds=PAGE_SECONDS))


async def _answer(store: Store, asked: Query) -> Answered:
    """Listen, ask, and wait for what is published. Raises Unavailable where no worker answers."""
    async with EventStreamSubscription.of_query(asked).results(store) as results:
        ack = await ask_query(store.connection, asked, timeout_seconds=ACK_SECONDS)
        if isinstance(ack, QueryRejected):
            return Answered(correlation=asked.correlation, rejected=ack.reason)
        try:
            async with asyncio.timeout(RESULT_SECONDS):
                said = await anext(results)
        except TimeoutError as error:
            raise Unavailable(f"{asked.name} was accepted, and its result did not come within {RESULT_SECONDS:g} s; ask again.") from error
    if said.reason:
        return Answered(correlation=asked.correlation, failed=said.reason)
    return Answered(correlation=asked.correlation, lines=show(said.result))


def _find(context: str, type: str, name: str) -> DeclaredQuery:
    queries = queries_for(context, type)
    found = next((one for one in queries.queries if one.name == name), None) if queries else None
    if found is None:
        raise Http404(f"No package of CIM_DOMAINS declares the query {name} about {context}.{type}.")
    return found


def _query(context: str, type: str, name: str, parameters: dict[str, Value], actor: str) -> Query:
    return Query(id=new_id(), context=context, type=type, name=name, parameters=parameters, actor=actor, correlation=new_id())


def _show(
    request: HttpRequest, context: str, type: str, form: CommandForm, *, answered: Answered | None = None, status: int = 200
) -> HttpResponse:
    told = {"form": form, "query": form.command, "context": context, "type": type, "answered": answered}
    return render(request, "aggregates/query.html", told, status=status)
