"""This module is how a view asks for a right: signed out leads to the sign-in page, lacking the role to a page that names it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect

from .roles import Role, least_role

View = Callable[..., HttpResponseBase]


class RoleNeeded(PermissionDenied):
    """A signed-in person lacks a right; the page says which role has it."""

    def __init__(self, permission: str) -> None:
        self.permission = permission
        self.role: Role = least_role(permission)
        super().__init__(f"This needs the {self.role} role; ask an admin for it.")


def require(request: HttpRequest, permission: str) -> None:
    """Raise RoleNeeded unless the signed-in person holds the permission."""
    if not request.user.has_perm(permission):
        raise RoleNeeded(permission)


def permission_required(permission: str) -> Callable[[View], View]:
    """Let only people through who hold the permission, which must be in the table of roles."""
    least_role(permission)

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return to_sign_in(request)
            require(request, permission)
            return view(request, *args, **kwargs)

        return checked

    return decorate


def sign_in_required(view: View) -> View:
    """Let every signed-in person through, whatever the role."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(request, *args, **kwargs) if request.user.is_authenticated else to_sign_in(request)

    return checked


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """To the sign-in page and back again; for htmx the whole window goes there, not the fragment."""
    if getattr(request, "htmx", None):
        return HttpResponseClientRedirect(redirect_to_login(request.htmx.current_url_abs_path or resolve_url("/")).url)  # type: ignore[attr-defined]
    next_path = request.get_full_path() if request.method in {"GET", "HEAD"} else resolve_url("/")
    return redirect_to_login(next_path)
