"""This module is the Tokens page: one's own keys for programs, made and revoked."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from .models import AccessToken
from .rights import sign_in_required
from .token_forms import TokenForm
from .tokens import create_token, list_tokens, revoke_token


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def index(request: HttpRequest) -> HttpResponse:
    """The secret of a new token is in the answer to its form and nowhere else: a redirect would have to keep it somewhere."""
    assert isinstance(request.user, User)
    form, made = TokenForm(request.user, request.POST or None), None
    if request.method == "POST" and form.is_valid():
        made = create_token(request.user, form.cleaned_data["name"], days=form.cleaned_data["days"], rights=form.rights)
        form = TokenForm(request.user)
    context = {"form": form, "made": made, "tokens": list_tokens(request.user), "now": timezone.now()}
    return render(request, "accounts/tokens.html", context, status=422 if form.errors else 200)


@require_POST
@sign_in_required
def revoke(request: HttpRequest, number: int) -> HttpResponse:
    token = get_object_or_404(AccessToken.objects.select_related("person"), pk=number, person=request.user)
    revoke_token(token)
    messages.success(request, f"The token {token.name} is revoked; it is refused from now on.")
    return redirect("accounts:tokens")
