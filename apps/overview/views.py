"""This module is the overview page, and the answer to a load balancer's question whether this process is up."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.rights import permission_required
from apps.accounts.templatetags.rights import role
from apps.connection import ask

from .board import read_overview


@require_GET
@permission_required("overview.view")
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "overview/index.html", {"overview": ask(read_overview), "topic": f"overview:{role(request.user)}"})


@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    """Says that this web process answers; what NATS does is shown on the pages, so a lost server does not restart the web."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")
