"""This module is who comes in: every address of the API wants a token in the header, asks for a permission, and knows no cookies."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.roles import least_role
from apps.accounts.tokens import Grant, TokenRefused, find_grant

from .problems import Refused, answer_problem

View = Callable[..., HttpResponse]


def endpoint(method: str, permission: str) -> Callable[[View], View]:
    """A view that is called as `view(request, grant, …)`, for one method and who holds the permission; what it refuses is a problem."""
    least_role(permission)

    def decorate(view: View) -> View:
        @open_endpoint(method)
        @wraps(view)
        def with_grant(request: HttpRequest, **arguments: str) -> HttpResponse:
            grant = _grant_of(request)
            need(grant, permission)
            return view(request, grant, **arguments)

        return with_grant

    return decorate


def open_endpoint(method: str) -> Callable[[View], View]:
    """A view for one method that everybody may call, as `view(request, …)`; what it refuses is a problem."""
    allowed = ("GET", "HEAD") if method == "GET" else (method,)

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, **arguments: str) -> HttpResponse:
            try:
                if request.method not in allowed:
                    raise _other_method(request, allowed)
                return view(request, **arguments)
            except Refused as refused:
                return answer_problem(request, refused.problem)

        return answer

    return decorate


def need(grant: Grant, permission: str) -> None:
    """Raises Refused naming the permission that is lacking, and whether by the token or by the person."""
    if grant.has_perm(permission):
        return
    role, who = least_role(permission), grant.person.username
    if grant.person.has_perm(permission):
        sentence = f"The token {grant.token.name} was made without {permission}, which {who} has; make another token for this."
    else:
        sentence = f"{who} has no {permission}; it needs the {role} role. Ask an admin for it."
    raise Refused("not-allowed", sentence, permission=permission, role=role.value)


def via(grant: Grant) -> str:
    """By which door, as runs tell it."""
    return f"the API, token {grant.token.name}"


def _grant_of(request: HttpRequest) -> Grant:
    scheme, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        headers = {"WWW-Authenticate": 'Bearer realm="CIM console"'}
        raise Refused("token-needed", "Send a token as Authorization: Bearer …; you make one on the page Tokens.", headers=headers)
    try:
        return find_grant(secret.strip())
    except TokenRefused as error:
        headers = {"WWW-Authenticate": 'Bearer realm="CIM console", error="invalid_token"'}
        raise Refused("token-refused", str(error), headers=headers) from error


def _other_method(request: HttpRequest, allowed: tuple[str, ...]) -> Refused:
    sentence = f"{request.path} takes {allowed[0]}, not {str(request.method)[:20]}."
    return Refused("method-not-allowed", sentence, headers={"Allow": ", ".join(allowed)})
