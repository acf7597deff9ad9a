"""This module is the tests of links that sign in once."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apps.accounts.backend import role_of
from apps.accounts.links import create_sign_in_link
from apps.accounts.models import SignInLink
from apps.accounts.roles import Role

from .conftest import Visitor


def test_the_first_link_signs_in_as_the_admin_it_creates(visitor: Client) -> None:
    response = visitor.get(create_sign_in_link(), follow=True)

    assert response.context["user"].username == "admin"
    assert role_of(User.objects.get(username="admin")) is Role.ADMIN


def test_a_link_works_once(visitor: Client) -> None:
    path = create_sign_in_link()
    Client().get(path)

    response = visitor.get(path)

    assert response.status_code == 410
    assert "cim-session" not in visitor.cookies


def test_a_link_ends_after_15_minutes(visitor: Client) -> None:
    path = create_sign_in_link()
    SignInLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert visitor.get(path).status_code == 410


def test_a_link_lasts_15_minutes(db: None) -> None:
    create_sign_in_link()

    left = SignInLink.objects.get().expires_at - timezone.now()

    assert timedelta(minutes=14) < left <= timedelta(minutes=15)


def test_a_guessed_link_signs_nobody_in(visitor: Client) -> None:
    assert visitor.get("/sign-in/guessed").status_code == 410


def test_the_token_is_not_kept(db: None) -> None:
    path = create_sign_in_link()

    assert SignInLink.objects.get().token_digest not in path


def test_a_link_of_a_person_signs_in_that_person(visitor: Client, auditor: Visitor) -> None:
    response = visitor.get(create_sign_in_link(auditor.person), follow=True)

    assert response.context["user"].username == "auditor"


def test_a_link_of_a_closed_person_signs_nobody_in(visitor: Client, auditor: Visitor) -> None:
    path = create_sign_in_link(auditor.person)
    User.objects.filter(pk=auditor.person.pk).update(is_active=False)

    assert visitor.get(path).status_code == 410


def test_the_link_does_not_give_back_a_role_that_was_taken_on_purpose(visitor: Client, viewer: Visitor) -> None:
    User.objects.filter(pk=viewer.person.pk).update(username="admin")

    visitor.get(create_sign_in_link())

    assert role_of(User.objects.get(username="admin")) is Role.VIEWER


def test_the_command_prints_a_path_that_signs_in(visitor: Client) -> None:
    out = StringIO()

    call_command("sign_in_link", stdout=out)

    assert visitor.get(out.getvalue().strip()).headers["Location"] == "/"


@pytest.mark.django_db
def test_the_command_refuses_a_name_that_nobody_has() -> None:
    with pytest.raises(CommandError, match="There is no active person named 'stranger'"):
        call_command("sign_in_link", "stranger")
