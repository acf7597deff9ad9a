"""This module is the People page: who can sign in, with which role; admins only."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .forms import PersonForm, RoleForm
from .links import LINK_SECONDS, create_sign_in_link
from .people import LastAdmin, add_person, list_people, set_active, set_role
from .rights import permission_required
from .roles import DESCRIPTIONS, Role


@require_GET
@permission_required("people.view")
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/people.html", {"people": list_people(), "descriptions": DESCRIPTIONS, "roles": list(Role)})


@require_http_methods(["GET", "POST"])
@permission_required("people.change")
def add(request: HttpRequest) -> HttpResponse:
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        person = add_person(chosen["username"], role=Role(chosen["role"]), full_name=chosen["full_name"])
        messages.success(request, f"{person.username} is added as {chosen['role']}. {_link_sentence(request, person)}")
        return redirect("accounts:people")
    return render(request, "accounts/add_person.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
@permission_required("people.change")
def change_role(request: HttpRequest, username: str) -> HttpResponse:
    person = get_object_or_404(User, username=username)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"{request.POST.get('role', '')!r} is not a role; choose one from the list.")
        return redirect("accounts:people")
    try:
        set_role(person, Role(form.cleaned_data["role"]))
    except LastAdmin as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{username} is now {form.cleaned_data['role']}.")
    return redirect("accounts:people")


@require_POST
@permission_required("people.change")
def change_access(request: HttpRequest, username: str) -> HttpResponse:
    """Close a person's access, or open it again, as `active` in the form says."""
    person = get_object_or_404(User, username=username)
    active = request.POST.get("active") == "1"
    try:
        set_active(person, active=active)
    except LastAdmin as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{username} can sign in again." if active else f"{username} can no longer sign in, and is signed out.")
    return redirect("accounts:people")


@require_POST
@permission_required("people.change")
def new_link(request: HttpRequest, username: str) -> HttpResponse:
    person = get_object_or_404(User, username=username, is_active=True)
    messages.success(request, _link_sentence(request, person))
    return redirect("accounts:people")


def _link_sentence(request: HttpRequest, person: User) -> str:
    url = request.build_absolute_uri(create_sign_in_link(person))
    return f"Give {person.username} this link; it signs in once, within {LINK_SECONDS // 60} minutes: {url}"
