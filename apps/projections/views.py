"""This module is the projections pages: all of them, worst first, and one with its history."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.accounts.templatetags.rights import role
from apps.connection import ask

from .board import read_board
from .chart import SPANS, span_of
from .detail import read_detail
from .parked import read_parked


@require_safe
@permission_required("projections.view")
def index(request: HttpRequest) -> HttpResponse:
    topic = f"projections:{role(request.user)}"
    return render(request, "projections/index.html", {"board": ask(read_board), "topic": topic})


@require_safe
@permission_required("projections.view")
def projection(request: HttpRequest, name: str) -> HttpResponse:
    span = span_of(request.GET.get("span", ""))
    detail = ask(read_detail, name, span)
    topic = f"projection:{role(request.user)}/{span.name}/{name}"
    context = {"detail": detail, "row": detail.row, "spans": SPANS, "topic": topic}
    return render(request, "projections/projection.html", context)


@require_safe
@permission_required("projections.view")
def parked(request: HttpRequest) -> HttpResponse:
    """The events that projections set aside, of all or of one."""
    found = ask(read_parked, request.GET.get("projection", ""))
    topic = f"parked:{role(request.user)}/{found.projection}"
    return render(request, "projections/parked.html", {"parked": found, "topic": topic})
