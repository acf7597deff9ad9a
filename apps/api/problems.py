"""This module is the answers to what goes wrong in the API: problem details (RFC 9457) in which every problem has a name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from .schema import to_json
from .shapes import FieldProblem, ProblemKindShape, ProblemShape
from .writing import json_response

ROOT: Final = "/api/"
RETRY_SECONDS: Final = 5

KINDS: Final[dict[str, tuple[int, str, str]]] = {
    "invalid-input": (400, "What was sent cannot be used", "`errors` names each field that is wrong, and how."),
    "token-needed": (401, "A token is needed", "Send `Authorization: Bearer …` with a token of this console. Cookies do not count."),
    "token-refused": (401, "The token is refused", "It is unknown, expired or revoked, or its person's access is closed."),
    "not-allowed": (
        403,
        "Not allowed",
        "The token, or its person, lacks the permission in `permission`; people get it by the role in `role`.",
    ),
    "not-found": (404, "Not found", "There is nothing of this name here, or no such address."),
    "method-not-allowed": (405, "This address takes another method", "The header `Allow` names it."),
    "plan-stale": (
        409,
        "The plan no longer holds",
        "The world has moved: `saw` is what the plan saw, `now` what it would see. Plan again.",
    ),
    "plan-expired": (409, "The plan is too old", "A plan is good for an hour. Plan again."),
    "rejected": (409, "A worker refused the request", "`detail` is what the worker said. Nothing was done."),
    "not-in-this-state": (409, "The run is not in a state for this", "`detail` says how the run stands."),
    "conflict": (409, "Somebody else was first", "Read again, then decide."),
    "too-large": (413, "The body is too large", "`detail` says how large it may be."),
    "failed": (500, "The console failed", "This is a fault of the console; its log has more."),
    "server-refused": (502, "The NATS server refused", "`detail` holds the server's own code."),
    "unavailable": (503, "NATS gives no answer", "Nothing is known of what was asked. `Retry-After` says when to try again."),
}
_BY_STATUS: Final = {400: "invalid-input", 403: "not-allowed", 404: "not-found", 409: "conflict", 502: "server-refused", 503: "unavailable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that went wrong; `more` are members beside the usual ones."""

    name: str
    detail: str
    more: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request is answered with a problem."""

    def __init__(self, name: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.problem = Problem(name=name, detail=detail, more=more, headers=headers or {})


def invalid(*errors: FieldProblem) -> Refused:
    """Fields that are wrong. The sentence is that of the first."""
    return Refused("invalid-input", errors[0].message, errors=errors)


def is_for_api(request: HttpRequest) -> bool:
    """Whether a program asks, which reads no pages."""
    return request.path_info.startswith(ROOT)


def answer_problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The problem as `application/problem+json`."""
    status, title, _ = KINDS[problem.name]
    shape = ProblemShape(
        type=_type_of(problem.name), title=title, status=status, detail=problem.detail, instance=request.path, **problem.more
    )
    response = json_response(to_json(shape), status=status, content_type="application/problem+json")
    for name, value in problem.headers.items():
        response.headers[name] = value
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def answer_status(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """What went wrong outside of a view of the API, known by its status."""
    return answer_problem(request, Problem(name=_BY_STATUS.get(status, "failed"), detail=detail))


def kind_of(name: str) -> ProblemKindShape | None:
    """What a problem's name stands for."""
    if name not in KINDS:
        return None
    status, title, meaning = KINDS[name]
    return ProblemKindShape(type=_type_of(name), title=title, status=status, meaning=meaning)


def _type_of(name: str) -> str:
    return reverse("api:problem", args=[name])
