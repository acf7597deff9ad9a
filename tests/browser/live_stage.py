"""This module is a small site for the tests of the live path in a browser: one page, three sources that need no NATS, some levers.

The tail's events come by the clock, so that a restart of the site does not lose any.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Sequence

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from cimadmin.asgi import application  # noqa: F401  (sets Django up; Daphne serves it)

# isort: split
from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.template import Context, RequestContext, Template
from django.urls import include, path

from apps import connection
from apps.live.frames import Fragment, Frame, Refresh, Row, Rows
from apps.live.process import live_path
from apps.live.sources import source

EVENTS_PER_SECOND = 1000
ROWS_A_TURN = 120
STARTED = time.time_ns()
BEGAN = float(os.environ["CIM_STAGE_BEGAN"])

PAGE = Template("""{% load live static %}<!doctype html><html lang="en"><head><title>Stage</title>
<script src="{% static 'vendor/idiomorph/idiomorph.min.js' %}" defer></script>
<script type="module" src="{% static 'js/live.js' %}"></script></head>
<body><span id="live-state" role="status"></span>
<main id="page"><p>Made by <b id="made-by">{{ started }}</b> at <b id="made-at">{{ last }}</b></p>
<button type="button" data-live-pause="stage-tail" aria-pressed="false">Pause</button>
<span data-live-waiting="stage-tail" hidden></span>
<form id="tick"><input name="note" aria-label="Note"><b data-cell>–</b></form>
<p id="set" data-live-revision="{{ started }}"></p>
<table><thead><tr><th>Sequence</th><th>Text</th></tr></thead>
<tbody id="tail" data-live-rows data-live-last="{{ last }}" data-live-skipped="/events?from=FROM&to=TO"></tbody></table></main>
{% live "stage-tail" "stage-tick" "stage-set" %}</body></html>""")

TICK = Template("""<form id="tick"><input name="note" aria-label="Note"><b data-cell>{{ number }}</b></form>""")


def newest_sequence() -> int:
    return int((time.time() - BEGAN) * EVENTS_PER_SECOND)


@source("stage-tail", permission="streams.view", needs_store=False)
async def tail(_store: None, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    last = max(0, newest_sequence() - ROWS_A_TURN)
    while True:
        newest = newest_sequence()
        begin = max(last + 1, newest - ROWS_A_TURN + 1)
        rows = tuple(Row(sequence=n, html=f"<tr><td>{n}</td><td>event</td></tr>") for n in range(begin, newest + 1))
        yield [Rows(id="tail", rows=rows, first=last + 1, last=newest, shown_from=begin)] if newest > last else []
        last = newest
        await asyncio.sleep(0.1)


@source("stage-tick", permission="streams.view", needs_store=False)
async def tick(_store: None, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    number = 0
    while True:
        number += 1
        yield [Fragment(id="tick", html=TICK.render(Context({"number": number})))]
        await asyncio.sleep(0.5)


@source("stage-set", permission="streams.view", needs_store=False)
async def revision(_store: None, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    yield [Refresh(id="set", revision=str(STARTED))]


def stage(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE.render(RequestContext(request, {"started": STARTED, "last": newest_sequence()})))


def sign_in(request: HttpRequest) -> HttpResponse:
    person, _ = User.objects.get_or_create(username="vera")
    person.groups.add(Group.objects.get(name="viewer"))
    login(request, person)
    return HttpResponse("in")


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


def drop(_request: HttpRequest) -> HttpResponse:
    """Close every socket, as a proxy that restarts would."""
    hub = live_path().hub
    connection.on_loop(lambda: [subscriber.wire.close(1012, "restart") for subscriber in list(hub._subscribers)])
    return HttpResponse("dropped")


urlpatterns = [
    path("stage", stage),
    path("stage/sign-in", sign_in),
    path("stage/sign-out", sign_out),
    path("stage/drop", drop),
    path("", include("cimadmin.urls")),
]

settings.ROOT_URLCONF = __name__
call_command("migrate", verbosity=0)
