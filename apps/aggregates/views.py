"""This module is the aggregates pages: the types, the aggregates of one type, and one aggregate through time."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required, require
from apps.connection import ask
from apps.persistence.events import AggregateRef

from .address import read_address
from .directory import read_types
from .listing import read_listing, read_query
from .page import Missing, read_page

PAGE_SECONDS = 30.0


@require_safe
@permission_required("aggregates.view")
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "aggregates/index.html", {"types": ask(read_types, timeout_seconds=PAGE_SECONDS)})


@require_safe
@permission_required("aggregates.view")
def type_page(request: HttpRequest, context: str, type: str) -> HttpResponse:
    query = read_query(context, type, request.GET.dict())
    return render(request, "aggregates/type.html", {"listing": ask(read_listing, query, timeout_seconds=PAGE_SECONDS)})


@require_safe
@permission_required("aggregates.view")
def aggregate(request: HttpRequest, context: str, type: str, id: str) -> HttpResponse:
    asked = read_address(AggregateRef(context, type, id), request.GET.dict())
    if asked.verifies or asked.proves:
        require(request, "audit.verify")
    page = ask(read_page, asked, timeout_seconds=PAGE_SECONDS)
    if isinstance(page, Missing):
        return _missing(request, page)
    return render(request, "aggregates/aggregate.html", {"page": page})


def _missing(request: HttpRequest, missing: Missing) -> HttpResponse:
    if getattr(request, "htmx", False):
        return render(request, "errors/_problem.html", {"problem": {"title": "Not there", "sentence": missing.sentence}}, status=404)
    return render(request, "aggregates/missing.html", {"missing": missing}, status=404)
