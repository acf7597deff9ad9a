"""This module is the aggregates pages: the types, the aggregates of one type, and one aggregate through time."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required, require
from apps.connection import ask
from apps.persistence.events import AggregateRef

from .address import Asked, read_address
from .page import Missing, read_block, read_page

PAGE_SECONDS = 30.0


@require_safe
@permission_required("aggregates.view")
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "aggregates/index.html")


@require_safe
@permission_required("aggregates.view")
def type_page(request: HttpRequest, context: str, type: str) -> HttpResponse:
    return render(request, "aggregates/type.html")


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


@require_safe
@permission_required("aggregates.view")
def block(request: HttpRequest, context: str, type: str, id: str, version: int) -> HttpResponse:
    """The stored bytes of one event, exactly as they are hashed."""
    asked = Asked(ref=AggregateRef(context, type, id), stream=request.GET.get("stream", ""), version=version)
    data = ask(read_block, asked)
    headers = {"Content-Disposition": f'attachment; filename="{asked.ref}.v{version}.cbor"'}
    return HttpResponse(data, content_type="application/vnd.ipld.dag-cbor", headers=headers)


def _missing(request: HttpRequest, missing: Missing) -> HttpResponse:
    if getattr(request, "htmx", False):
        return render(request, "errors/_problem.html", {"problem": {"title": "Not there", "sentence": missing.sentence}}, status=404)
    return render(request, "aggregates/missing.html", {"missing": missing}, status=404)
