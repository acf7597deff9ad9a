"""This module is the four people of the web tests, each a browser that is signed in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

from apps import connection
from apps.accounts.people import add_person
from apps.accounts.roles import Role
from apps.persistence.store import open_store
from apps.persistence.store.embedded import EmbeddedServer

from .working_console import Worker, write_demo

PASSWORD = "correct horse battery"
R = TypeVar("R")


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


class Home:
    """The server that is the console's home connection. `run` has an async function called with a store that may write."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server

    def run(self, function: Callable[..., Awaitable[R]], *args: Any, **options: Any) -> R:
        async def call() -> R:
            async with open_store(self.server.settings("worker")) as store:
                return await function(store, *args, **options)

        return asyncio.run(call())


def home_settings(server: EmbeddedServer) -> dict[str, str]:
    """What CIM_HOME holds for the console's own, restricted NATS user."""
    web = server.settings("web")
    return {"url": web.url, "user": web.user or "", "password": web.password or "", "inbox_prefix": web.inbox_prefix}


@pytest.fixture(scope="module")
def home_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of one test module, so that what is listed is what the module made."""
    with EmbeddedServer(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def home(home_server: EmbeddedServer, settings: LazySettings) -> Iterator[Home]:
    """The console's home connection leads to the module's server, as the NATS user that may only read."""
    settings.CIM_HOME = home_settings(home_server)
    connection.stop()
    yield Home(home_server)
    connection.stop()


@pytest.fixture(scope="module")
def demo_server(home_server: EmbeddedServer) -> EmbeddedServer:
    """The module's server with the demo's first events on it."""
    Home(home_server).run(write_demo)
    return home_server


@pytest.fixture(scope="module")
def worker(demo_server: EmbeddedServer) -> Iterator[Worker]:
    """A worker that has the demo's events to work on."""
    with Worker(demo_server) as alive:
        yield alive
