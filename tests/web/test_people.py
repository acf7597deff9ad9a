"""This module is the tests of the People page."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.test import Client

from apps.accounts.backend import role_of
from apps.accounts.roles import Role

from .conftest import Visitor


def _role(username: str) -> Role | None:
    return role_of(User.objects.get(username=username))


def test_an_admin_adds_a_person_who_comes_in_by_the_link_shown(admin: Visitor, visitor: Client) -> None:
    page = admin.post("/people/add", {"username": "ada", "full_name": "Ada King", "role": "auditor"}, follow=True).content.decode()
    link = re.search(r"/sign-in/[\w-]+", page)

    assert link is not None
    assert visitor.get(link[0], follow=True).context["user"].username == "ada"
    assert _role("ada") is Role.AUDITOR


def test_a_name_that_is_taken_is_refused_in_any_case(admin: Visitor, viewer: Visitor) -> None:
    response = admin.post("/people/add", {"username": "VIEWER", "role": "viewer"})

    assert response.status_code == 422
    assert "There is already a person named VIEWER; choose another name." in response.content.decode()


def test_an_admin_changes_a_role(admin: Visitor, viewer: Visitor) -> None:
    admin.post("/people/viewer/role", {"role": "operator"})

    assert _role("viewer") is Role.OPERATOR


def test_a_role_that_does_not_exist_changes_nothing(admin: Visitor, viewer: Visitor) -> None:
    response = admin.post("/people/viewer/role", {"role": "emperor"}, follow=True)

    assert "&#x27;emperor&#x27; is not a role" in response.content.decode()
    assert _role("viewer") is Role.VIEWER


def test_closing_access_signs_the_person_out(admin: Visitor, viewer: Visitor) -> None:
    admin.post("/people/viewer/access", {"active": "0"})

    assert viewer.get("/").headers["Location"] == "/sign-in?next=/"


def test_access_can_be_opened_again(admin: Visitor, viewer: Visitor) -> None:
    admin.post("/people/viewer/access", {"active": "0"})
    admin.post("/people/viewer/access", {"active": "1"})

    assert User.objects.get(username="viewer").is_active


def test_the_last_admin_cannot_be_closed(admin: Visitor) -> None:
    response = admin.post("/people/admin/access", {"active": "0"}, follow=True)

    assert "admin is the only active admin; make somebody else an admin first." in response.content.decode()
    assert User.objects.get(username="admin").is_active


def test_the_last_admin_cannot_step_down(admin: Visitor) -> None:
    admin.post("/people/admin/role", {"role": "viewer"})

    assert _role("admin") is Role.ADMIN


def test_an_operator_cannot_give_roles(operator: Visitor) -> None:
    operator.post("/people/operator/role", {"role": "admin"})

    assert _role("operator") is Role.OPERATOR
