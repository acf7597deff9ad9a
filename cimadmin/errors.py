"""This module is the answers to what goes wrong: a page for a person, only the notice for htmx, always with what to do."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme

from apps.accounts.rights import RoleNeeded
from apps.api.problems import answer_status, is_for_api
from apps.persistence import errors as persistence


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a person reads about an error: a title, one sentence with what to do, and the answer's status."""

    title: str
    sentence: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The form that a problem answers. `again` is what it held if it may be sent twice, as a command that names its own id may."""

    again: tuple[tuple[str, str], ...]
    back: str


_TITLES: tuple[tuple[type[persistence.PersistenceError], str, int], ...] = (
    (persistence.InvalidInput, "This cannot be looked up", 400),
    (persistence.EncodingError, "This cannot be decoded", 400),
    (persistence.ConnectionNotFound, "No such connection", 404),
    (persistence.NotFound, "Not found in the store", 404),
    (persistence.Conflict, "Somebody else was first", 409),
    (persistence.WrongCredentials, "NATS refuses to let the console in", 503),
    (persistence.JetStreamDisabled, "There is no JetStream", 503),
    (persistence.ContentDamaged, "What is stored is damaged", 502),
    (persistence.Unavailable, "NATS gives no answer", 503),
    (persistence.ServerRefused, "The NATS server refused", 502),
)


def problem_of(error: persistence.PersistenceError) -> Problem:
    for kind, title, status in _TITLES:
        if isinstance(error, kind):
            return Problem(title=title, sentence=str(error) or type(error).__name__, status=status)
    return Problem(title="The store could not be read", sentence=str(error) or type(error).__name__, status=502)


def answer(request: HttpRequest, problem: Problem, template: str = "errors/problem.html") -> HttpResponse:
    """The whole page, or for htmx the notice alone, which goes to the place for problems at the top of the page; JSON for programs."""
    if is_for_api(request):
        return answer_status(request, problem.status, problem.sentence)
    name = "errors/_problem.html" if getattr(request, "htmx", False) else template
    return render(request, name, {"problem": problem, "posted": _posted(request)}, status=problem.status)


def _posted(request: HttpRequest) -> Posted | None:
    if request.method != "POST":
        return None
    came_from = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(came_from, {request.get_host()}, require_https=request.is_secure())
    fields = [(name, value) for name, values in request.POST.lists() for value in values if name != "csrfmiddlewaretoken"]
    return Posted(again=tuple(fields) if "command.id" in request.POST else (), back=came_from if is_ours else "")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Written without the request's host: its Host header may be what was wrong."""
    if is_for_api(request):
        return answer_status(request, 400, "The request cannot be read; its Host header or its length may be what is wrong.")
    return HttpResponse(render_to_string("400.html", {"too_large": _too_large(exception)}), status=400)


def _too_large(error: Exception) -> str:
    """What of a form was too much, empty where that is not what was wrong."""
    if isinstance(error, RequestDataTooBig):
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return f"Its fields together may hold {limit:,} bytes." if limit else "Its fields hold too much."
    if isinstance(error, TooManyFieldsSent):
        return f"It may have {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:,} fields."
    return f"It may bring {settings.DATA_UPLOAD_MAX_NUMBER_FILES:,} files." if isinstance(error, TooManyFilesSent) else ""


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    sentence = str(exception) if isinstance(exception, RoleNeeded) else "You may not do this; ask an admin of this console."
    return answer(request, Problem(title="Not allowed", sentence=sentence, status=403), "403.html")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    sentence = f"There is no page at {request.path}. Check the address, or find what you look for above."
    return answer(request, Problem(title="Page not found", sentence=sentence, status=404), "404.html")


def failed(request: HttpRequest) -> HttpResponse:
    """Written without the database or the person: either may be what failed."""
    if is_for_api(request):
        return answer_status(request, 500, "The console failed at this; its log says where.")
    return HttpResponse(render_to_string("500.html"), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    again = "Load the page again and send it once more; cookies must be allowed."
    sentence = f"The form was not accepted: {reason or 'its token is missing.'} {again}"
    return answer(request, Problem(title="Not accepted", sentence=sentence, status=403), "403.html")
