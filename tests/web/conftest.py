"""This module is the four people of the web tests, each a browser that is signed in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.accounts.people import add_person
from apps.accounts.roles import Role

PASSWORD = "correct horse battery"


class Visitor(Client):
    """A signed-in browser. `person` is who sits before it."""

    def __init__(self, person: User, **options: Any) -> None:
        super().__init__(**options)
        self.person = person
        self.force_login(person)


def _visitor(role: Role) -> Visitor:
    person = add_person(role.value, role=role)
    person.set_password(PASSWORD)
    person.save()
    return Visitor(person)


@pytest.fixture
def viewer(db: None) -> Visitor:
    return _visitor(Role.VIEWER)


@pytest.fixture
def auditor(db: None) -> Visitor:
    return _visitor(Role.AUDITOR)


@pytest.fixture
def operator(db: None) -> Visitor:
    return _visitor(Role.OPERATOR)


@pytest.fixture
def admin(db: None) -> Visitor:
    return _visitor(Role.ADMIN)


@pytest.fixture
def visitor(db: None) -> Client:
    """A browser in which nobody is signed in."""
    return Client()
