"""This module is the tests of signing in with a name and a password, and of signing out."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.utils import timezone

from apps.accounts.models import FailedTry

from .conftest import PASSWORD, Visitor


def test_the_right_password_signs_in(visitor: Client, viewer: Visitor) -> None:
    response = visitor.post("/sign-in", {"username": "viewer", "password": PASSWORD}, follow=True)

    assert response.context["user"].username == "viewer"


def test_signing_in_leads_to_the_page_that_was_wanted(visitor: Client, viewer: Visitor) -> None:
    response = visitor.post("/sign-in", {"username": "viewer", "password": PASSWORD, "next": "/password"})

    assert response.headers["Location"] == "/password"


def test_signing_in_never_leads_to_another_site(visitor: Client, viewer: Visitor) -> None:
    response = visitor.post("/sign-in", {"username": "viewer", "password": PASSWORD, "next": "//evil.example/"})

    assert response.headers["Location"] == "/"


def test_a_wrong_password_says_so_without_saying_whether_the_name_exists(visitor: Client, viewer: Visitor) -> None:
    known = visitor.post("/sign-in", {"username": "viewer", "password": "wrong"})
    unknown = visitor.post("/sign-in", {"username": "stranger", "password": "wrong"})

    sentence = "The name or the password is wrong. Names and passwords tell upper from lower case."
    assert known.context["form"].non_field_errors() == [sentence]
    assert unknown.context["form"].non_field_errors() == [sentence]


def test_a_session_key_from_before_signing_in_is_worth_nothing_after(visitor: Client, viewer: Visitor) -> None:
    planted = visitor.session
    planted["seen"] = "before"
    planted.save()
    visitor.cookies["cim-session"] = planted.session_key

    visitor.post("/sign-in", {"username": "viewer", "password": PASSWORD})

    assert visitor.cookies["cim-session"].value != planted.session_key


def test_after_ten_wrong_passwords_even_the_right_one_waits(visitor: Client, viewer: Visitor) -> None:
    _try_wrong_passwords(visitor, times=10)

    response = visitor.post("/sign-in", {"username": "Viewer", "password": PASSWORD})

    assert response.status_code == 429
    assert "Wait 15 minutes, or ask an admin for a sign-in link." in response.content.decode()


def test_nine_wrong_passwords_do_not_close_the_door(visitor: Client, viewer: Visitor) -> None:
    _try_wrong_passwords(visitor, times=9)

    response = visitor.post("/sign-in", {"username": "viewer", "password": PASSWORD})

    assert response.status_code == 302


def test_tries_older_than_a_quarter_of_an_hour_are_forgotten(visitor: Client, viewer: Visitor) -> None:
    _try_wrong_passwords(visitor, times=10)
    FailedTry.objects.update(at=timezone.now() - timedelta(minutes=16))

    response = visitor.post("/sign-in", {"username": "viewer", "password": PASSWORD})

    assert response.status_code == 302


def test_signing_out_takes_a_form_so_that_a_link_cannot_do_it(viewer: Visitor) -> None:
    assert viewer.get("/sign-out").status_code == 405


def test_signing_out_ends_the_session(viewer: Visitor) -> None:
    viewer.post("/sign-out")

    assert viewer.get("/").headers["Location"] == "/sign-in?next=/"


def test_forms_from_elsewhere_are_not_accepted(viewer: Visitor) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(viewer.person)

    response = strict.post("/sign-out")

    assert response.status_code == 403
    assert "Load the page again and send it once more" in response.content.decode()


def test_a_new_password_signs_out_everywhere_else(viewer: Visitor) -> None:
    elsewhere = Client()
    elsewhere.force_login(viewer.person)

    viewer.post("/password", {"old_password": PASSWORD, "new_password1": "tall green bicycle", "new_password2": "tall green bicycle"})

    assert viewer.get("/password").status_code == 200
    assert elsewhere.get("/password").status_code == 302


def test_a_short_password_is_refused_with_the_reason(viewer: Visitor) -> None:
    response = viewer.post("/password", {"old_password": PASSWORD, "new_password1": "short-1", "new_password2": "short-1"})

    assert response.status_code == 422
    assert "at least 12 characters" in response.content.decode()


def _try_wrong_passwords(visitor: Client, *, times: int) -> None:
    for _ in range(times):
        visitor.post("/sign-in", {"username": "viewer", "password": "wrong"})
