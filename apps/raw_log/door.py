"""This module is who may fetch bytes: a signed-in person, or a program with a token. Whatever is refused is said in one plain sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from apps.accounts.rights import to_sign_in
from apps.accounts.roles import least_role
from apps.accounts.tokens import TokenRefused, find_grant
from apps.persistence.errors import InvalidInput, NotFound, PersistenceError, Unavailable

View = Callable[..., HttpResponseBase]
_STATUSES: tuple[tuple[type[PersistenceError], int], ...] = ((InvalidInput, 400), (NotFound, 404), (Unavailable, 503))
_CHALLENGE = 'Bearer realm="CIM console"'


def fetched_with(permission: str) -> Callable[[View], View]:
    """A view that only reads, for who holds the permission, by session or by `Authorization: Bearer …`."""
    least_role(permission)

    def decorate(view: View) -> View:
        @require_safe
        @wraps(view)
        def answer(request: HttpRequest, **arguments: str) -> HttpResponseBase:
            refusal = _refusal(request, permission)
            if refusal is not None:
                return refusal
            try:
                return view(request, **arguments)
            except PersistenceError as error:
                status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 502)
                return _said(str(error), status)

        return answer

    return decorate


def plain(text: str) -> HttpResponse:
    """Text for programs, as it is."""
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _refusal(request: HttpRequest, permission: str) -> HttpResponse | None:
    """Why nothing is given out; None where it is."""
    if "Authorization" in request.headers:
        return _refusal_of_token(request, permission)
    if request.user.is_authenticated:
        return None if request.user.has_perm(permission) else _said(f"This needs the {least_role(permission)} role; ask an admin.", 403)
    if "text/html" in request.headers.get("Accept", ""):
        return to_sign_in(request)
    return _said("Sign in, or send a token as Authorization: Bearer …; you make one on the page Tokens.", 401)


def _refusal_of_token(request: HttpRequest, permission: str) -> HttpResponse | None:
    scheme, _, secret = request.headers["Authorization"].strip().partition(" ")
    try:
        if scheme.lower() != "bearer" or not secret.strip():
            raise TokenRefused("Send a token as Authorization: Bearer …; you make one on the page Tokens.")
        grant = find_grant(secret.strip())
    except TokenRefused as error:
        return _said(str(error), 401)
    if grant.has_perm(permission):
        return None
    return _said(f"The token {grant.token.name} does not have {permission}, or its person does not; make one that has it.", 403)


def _said(sentence: str, status: int) -> HttpResponse:
    answer = plain(f"{sentence}\n")
    answer.status_code = status
    if status == 401:
        answer["WWW-Authenticate"] = _CHALLENGE
    return answer
