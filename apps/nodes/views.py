"""This module is the nodes page: every link as it stands, and every conflict."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask

from .board import read_board


@require_safe
@permission_required("nodes.view")
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "nodes/index.html", {"board": ask(read_board)})
