"""This module is the People page: who can sign in, with which role; admins only."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .backend import role_of
from .forms import PersonForm, RoleForm
from .links import LINK_SECONDS, create_sign_in_link
from .people import LastAdmin, add_person, list_people, set_active, set_role
from .rights import permission_required
from .roles import DESCRIPTIONS, Role
from .trail import note, send_pending


@require_GET
@permission_required("people.view")
def index(request: HttpRequest) -> HttpResponse:
    context = {"people": list_people(), "descriptions": DESCRIPTIONS, "roles": list(Role), "waiting": send_pending()}
    return render(request, "accounts/people.html", context)


@require_http_methods(["GET", "POST"])
@permission_required("people.change")
def add(request: HttpRequest) -> HttpResponse:
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        with transaction.atomic():
            person = add_person(chosen["username"], role=Role(chosen["role"]), full_name=chosen["full_name"])
            note(request.user.get_username(), "added", person, role=chosen["role"])
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
    role, before = Role(form.cleaned_data["role"]), role_of(person)
    try:
        with transaction.atomic():
            set_role(person, role)
            note(request.user.get_username(), "role_changed", person, role=role, before=before or "nobody")
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
        with transaction.atomic():
            set_active(person, active=active)
            note(request.user.get_username(), "access_opened" if active else "access_closed", person)
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
    with transaction.atomic():
        url = request.build_absolute_uri(create_sign_in_link(person))
        note(request.user.get_username(), "link_given", person)
    return f"Give {person.username} this link; it signs in once, within {LINK_SECONDS // 60} minutes: {url}"
