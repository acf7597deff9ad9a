"""This module is signing in and out, and one's own password."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .forms import SignInForm
from .links import use_sign_in_link
from .rights import sign_in_required


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    target = _next_path(request)
    if request.user.is_authenticated:
        return redirect(target)
    form = SignInForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid() and form.person:
        login(request, form.person)  # gives the session a new key, so one planted before is worth nothing
        return redirect(target)
    status = (429 if form.is_throttled else 422) if form.errors else 200
    return render(request, "accounts/sign_in.html", {"form": form, "next": target}, status=status)


@require_GET
def link(request: HttpRequest, token: str) -> HttpResponse:
    person = use_sign_in_link(token)
    if person is None:
        return render(request, "accounts/link_used.html", status=410)
    login(request, person, backend=settings.AUTHENTICATION_BACKENDS[0])
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@sensitive_post_parameters()
@sign_in_required
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password; a person who came by a link and has none yet is not asked for it."""
    assert isinstance(request.user, User)
    form_class = PasswordChangeForm if request.user.has_usable_password() else SetPasswordForm
    form = form_class(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, request.user)  # the other sessions of this person end here
        messages.success(request, "Your password is changed. Everywhere else you are signed out.")
        return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "accounts/password.html", {"form": form}, status=422 if form.errors else 200)


def _next_path(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is a page of this console."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
