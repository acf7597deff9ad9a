"""This module is the streams pages: the list, one stream by its events, subjects, consumers and configuration, and one event.

The same views serve the home connection and, below its name, each observed one.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from apps.accounts.rights import permission_required
from apps.connection import ask, known_server
from apps.keeper import HOME
from apps.persistence.store.positions import parse_sequence

from .acts import acts_on_consumer, creating, creating_consumer
from .addresses import command_at, resolved_address
from .browse import resolve
from .configuration import info_command, read_configuration
from .consumer_settings import settings_of
from .consumers import consumers_command, read_consumers
from .event import get_command, read_bytes
from .event_query import EventQuery
from .event_tabs import FIRST_TAB, TABS, read_shown
from .head import head_of
from .listing import ListQuery, list_rows
from .stream_page import read_stream_view
from .subjects import read_subjects, subjects_command
from .survey import survey


@require_GET
@permission_required("streams.view")
def index(request: HttpRequest, connection: str = HOME) -> HttpResponse:
    """Every stream of the server."""
    listing = list_rows(ask(survey, connection=connection), ListQuery.from_get(request.GET.dict()))
    return render(
        request, "streams/index.html", {"listing": listing, "creating": creating(), "command": command_at(connection, "nats stream report")}
    )


@require_GET
@permission_required("streams.view")
def stream(request: HttpRequest, name: str, connection: str = HOME) -> HttpResponse:
    """A page of one stream's events, and beside it the event that is opened."""
    given = request.GET.dict()
    query = EventQuery.from_get(given, datetime.now(UTC))
    if query.has_times and not query.problems:
        return HttpResponseRedirect(resolved_address(request.path, given, ask(resolve, name, query, connection=connection)))
    view = ask(read_stream_view, name, query, given, connection=connection)
    head = head_of(view.page.stream)
    context = {
        "tab": "events",
        "view": view,
        "page": view.page,
        "shown": view.shown,
        "head": head,
        "command": command_at(connection, view.command),
    }
    return render(request, "streams/events.html", context, status=400 if query.problems else 200)


@require_GET
@permission_required("streams.view")
def subjects(request: HttpRequest, name: str, connection: str = HOME) -> HttpResponse:
    """One level of the tree of subjects."""
    prefix = request.GET.get("under", "").strip()
    page = ask(read_subjects, name, prefix, timeout_seconds=20, connection=connection)
    template = "streams/_level.html" if getattr(request, "htmx", False) else "streams/subjects.html"
    return render(
        request,
        template,
        {
            "tab": "subjects",
            "page": page,
            "head": head_of(page.stream),
            "level": page.level,
            "command": command_at(connection, subjects_command(name, prefix)),
        },
    )


@require_GET
@permission_required("streams.view")
def consumers(request: HttpRequest, name: str, connection: str = HOME) -> HttpResponse:
    """Who reads the stream, and what stops them."""
    page = ask(read_consumers, name, request.GET.get("show", ""), connection=connection)
    context = {
        "tab": "consumers",
        "page": page,
        "head": head_of(page.stream),
        "creating": creating_consumer(name),
        "command": command_at(connection, consumers_command(name)),
    }
    if shown := page.shown:
        acts = acts_on_consumer(shown.consumer, known_server(connection))
        context |= {"shown": shown, "settings": settings_of(shown.consumer), "acts": acts}
    return render(request, "streams/consumers.html", context)


@require_GET
@permission_required("streams.view")
def configuration(request: HttpRequest, name: str, connection: str = HOME) -> HttpResponse:
    """How the stream is set up, in words."""
    page = ask(read_configuration, name, connection=connection)
    return render(
        request,
        "streams/configuration.html",
        {"tab": "configuration", "page": page, "head": head_of(page.stream), "command": command_at(connection, info_command(name))},
    )


@require_GET
@permission_required("streams.view")
def event(request: HttpRequest, name: str, sequence: str, tab: str = FIRST_TAB, connection: str = HOME) -> HttpResponse:
    """One event, by one of its tabs."""
    if tab not in TABS:
        raise Http404
    number = parse_sequence(sequence)
    shown = ask(read_shown, name, number, tab=tab, is_full=request.GET.get("full") == "1", connection=connection)
    if shown.missing:
        return render(request, "streams/missing.html", {"missing": shown.missing, "stream": shown.missing.stream}, status=404)
    return render(
        request,
        "streams/event.html",
        {
            "shown": shown,
            "page": shown.page,
            "address": request.build_absolute_uri(),
            "command": command_at(connection, get_command(name, number)),
        },
    )


@require_GET
@permission_required("streams.view")
def block(request: HttpRequest, name: str, sequence: str, connection: str = HOME) -> HttpResponse:
    """The stored bytes, as a file."""
    message = ask(read_bytes, name, parse_sequence(sequence), connection=connection)
    disposition = content_disposition_header(True, f"{name}-{message.sequence}.block")
    return HttpResponse(message.data, content_type="application/octet-stream", headers={"Content-Disposition": disposition or ""})
