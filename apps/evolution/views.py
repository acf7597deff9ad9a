"""This module is the evolution pages: schemas, migrations and generations, and one event type."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.accounts.templatetags.rights import role
from apps.connection import ask

from .board import find_kind, read_board, read_census


@require_safe
@permission_required("evolution.view")
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "evolution/index.html", {"board": ask(read_board), "topic": f"evolution:{role(request.user)}"})


@require_safe
@permission_required("evolution.view")
def event_type(request: HttpRequest, context: str, aggregate: str, type: str) -> HttpResponse:
    census = ask(read_census)
    kind = find_kind(census, context, aggregate, type)
    return render(request, "evolution/event_type.html", {"census": census, "kind": kind, "topic": f"event-type:{kind.name}"})
