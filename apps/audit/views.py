"""This module is the audit pages: how far every stream with chains is verified, and what was found in one of them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.accounts.templatetags.rights import role
from apps.connection import ask
from apps.persistence.drift import read_drift

from .heads import read_heads
from .page import StreamPage, read_page
from .proof import drift_of_stream, read_proofs
from .report import Report, read_report
from .schedules import read_schedules
from .trail import read_newest, read_query, read_trail


@require_safe
@permission_required("audit.view")
def index(request: HttpRequest) -> HttpResponse:
    context = {
        "proofs": ask(read_proofs),
        "deeds": ask(read_newest),
        "drift": ask(read_drift),
        "schedules": ask(read_schedules),
        "topic": f"audit:{role(request.user)}",
    }
    return render(request, "audit/index.html", context)


@require_safe
@permission_required("audit.view")
def stream(request: HttpRequest, name: str) -> HttpResponse:
    """The whole stream, or with `first` and `last` a range of it."""
    page: StreamPage = ask(read_page, name, request.GET.dict())
    context = {
        "page": page,
        "proof": page.proof,
        "coverage": page.proof.coverage,
        "drift": ask(drift_of_stream, name),
        "heads": ask(read_heads, name),
        "stream": name,
        "topic": f"audit-stream:{role(request.user)}/{name}",
    }
    return render(request, "audit/stream.html", context)


@require_safe
@permission_required("audit.view")
def trail(request: HttpRequest) -> HttpResponse:
    """Every deed, filtered and page by page."""
    return render(request, "audit/trail.html", {"page": ask(read_trail, read_query(request.GET.dict()))})


@require_safe
@permission_required("audit.view")
def report(request: HttpRequest, name: str) -> HttpResponse:
    """One sheet of paper."""
    found: Report = ask(read_report, name)
    return render(request, "audit/report.html", {"report": found, "proof": found.proof, "coverage": found.proof.coverage})
