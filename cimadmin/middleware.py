"""This module is what happens around every view: headers that keep browsers strict, and answers to the store's errors."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.persistence.errors import PersistenceError, Unavailable

from .errors import answer, problem_of

Next = Callable[[HttpRequest], HttpResponse]
_logger = logging.getLogger("cimadmin.errors")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def security_headers(get_response: Next) -> Next:
    """On every answer, errors and static files included. Pages are never stored: they show what only signed-in people may see."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return respond


class PersistenceErrors:
    """The one place of the web process where the store's errors stop: each becomes a page that says what to do."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, PersistenceError):
            return None
        level = logging.WARNING if isinstance(exception, Unavailable) else logging.INFO
        _logger.log(level, "%s: %s", request.path, exception)
        return answer(request, problem_of(exception))
