"""This module is the tests of the console's kept store: asked from plain threads, while the server comes and goes."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings

from apps import connection
from apps.connection import ask, connection_state
from apps.persistence.errors import ConnectionNotFound, StreamNotFound, Unavailable, Unreachable, WrongCredentials
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.store.link import Link
from apps.persistence.store.store import Store
from apps.persistence.store.streams import get_stream

DEADLINE_SECONDS = 60
NOBODY_THERE = {"url": "nats://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def fresh_connections() -> Iterator[None]:
    connection.stop()
    yield
    connection.stop()


@pytest.fixture
def home(settings: LazySettings, nats_server: EmbeddedServer) -> None:
    """The console is connected to a running server."""
    settings.CIM_HOME = credentials(nats_server)


@pytest.fixture
def no_home(settings: LazySettings) -> None:
    """The console's server is away."""
    settings.CIM_HOME = NOBODY_THERE


def credentials(server: EmbeddedServer) -> dict[str, Any]:
    return {"url": server.url, "user": "web", "password": server.password("web"), "inbox_prefix": "_INBOX_web"}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not come true"
        pause.wait(0.02)


async def server_name(store: Store) -> str:
    return store.connection.server.name


async def events_stream(store: Store, *, stream: str) -> object:
    return await get_stream(store.connection, stream)


@pytest.mark.usefixtures("home")
def test_ask_returns_what_the_function_returns() -> None:
    assert ask(server_name) == "cim-embedded"


@pytest.mark.usefixtures("home")
def test_ask_raises_what_the_function_raises() -> None:
    with pytest.raises(StreamNotFound):
        ask(events_stream, stream="NOBODYS")


@pytest.mark.usefixtures("home")
def test_every_question_uses_the_same_store_on_the_same_thread() -> None:
    async def where(store: Store) -> tuple[int, int]:
        return id(store), threading.get_ident()

    assert ask(where) == ask(where)


@pytest.mark.usefixtures("home")
def test_a_question_that_takes_too_long_is_cancelled_and_says_so() -> None:
    cancelled = threading.Event()

    async def wait_for_ever(_store: Store) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    with pytest.raises(Unavailable, match=r"gave no answer within 0\.1 s"):
        ask(wait_for_ever, timeout_seconds=0.1)

    assert cancelled.wait(DEADLINE_SECONDS)


@pytest.mark.usefixtures("home")
def test_a_timeout_of_the_functions_own_stays_as_it_is() -> None:
    async def give_up(_store: Store) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        ask(give_up)


@pytest.mark.usefixtures("home")
def test_a_connection_that_is_not_configured_is_named() -> None:
    with pytest.raises(ConnectionNotFound, match="There is no connection 'berlin'; there is home"):
        ask(server_name, connection="berlin")


def test_observed_connections_are_asked_by_name(settings: LazySettings, nats_server: EmbeddedServer) -> None:
    settings.CIM_HOME = NOBODY_THERE
    settings.CIM_OBSERVED = {"berlin": credentials(nats_server)}

    assert ask(server_name, connection="berlin") == "cim-embedded"
    assert connection.connection_names() == ("home", "berlin")


@pytest.mark.usefixtures("no_home")
def test_without_a_server_ask_says_so_soon() -> None:
    started = time.monotonic()

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        ask(server_name)

    assert time.monotonic() - started < 10


@pytest.mark.usefixtures("no_home")
def test_while_a_server_stays_away_ask_does_not_wait_again() -> None:
    until(lambda: connection_state().attempts >= 1)
    started = time.monotonic()

    with pytest.raises(Unreachable):
        ask(server_name)

    assert time.monotonic() - started < 1


def test_wrong_credentials_are_told_apart_from_an_absent_server(settings: LazySettings, nats_server: EmbeddedServer) -> None:
    settings.CIM_HOME = credentials(nats_server) | {"password": "a guess"}
    until(lambda: connection_state().attempts >= 1)

    with pytest.raises(WrongCredentials):
        ask(server_name)


def test_a_server_that_starts_later_is_found(settings: LazySettings, own_nats_server: EmbeddedServer) -> None:
    settings.CIM_HOME = credentials(own_nats_server)
    own_nats_server.stop()
    until(lambda: connection_state().attempts >= 1)

    own_nats_server.start()

    until(lambda: connection_state().link is Link.CONNECTED)
    assert ask(server_name) == "cim-embedded"


def test_a_server_that_restarts_is_found_again(settings: LazySettings, own_nats_server: EmbeddedServer) -> None:
    settings.CIM_HOME = credentials(own_nats_server)
    ask(server_name)
    own_nats_server.kill()
    until(lambda: connection_state().link is Link.RECONNECTING)

    own_nats_server.start()

    until(lambda: connection_state().link is Link.CONNECTED)
    assert ask(server_name) == "cim-embedded"


def test_changes_of_the_link_are_told(settings: LazySettings, own_nats_server: EmbeddedServer) -> None:
    settings.CIM_HOME = credentials(own_nats_server)
    ask(server_name)
    told: list[tuple[str, Link]] = []
    connection.on_change(lambda name, state: told.append((name, state.link)))

    own_nats_server.kill()

    until(lambda: ("home", Link.RECONNECTING) in told)


@pytest.mark.usefixtures("home")
def test_a_question_under_way_when_the_console_stops_ends_in_an_error() -> None:
    asked = threading.Event()
    ended: list[type[BaseException]] = []

    async def wait_for_ever(_store: Store) -> None:
        asked.set()
        await asyncio.get_running_loop().create_future()

    def visit() -> None:
        try:
            ask(wait_for_ever)
        except Unavailable as error:
            ended.append(type(error))

    visitor = threading.Thread(target=visit)
    visitor.start()
    asked.wait(DEADLINE_SECONDS)

    connection.stop()

    visitor.join(DEADLINE_SECONDS)
    assert ended == [Unavailable]


@pytest.mark.usefixtures("home")
def test_a_forked_process_opens_its_own_connection() -> None:
    ask(server_name)
    process_context = multiprocessing.get_context("fork")
    answers = process_context.SimpleQueue()
    child = process_context.Process(target=lambda: answers.put(ask(server_name)))

    child.start()
    child.join(DEADLINE_SECONDS)

    assert child.exitcode == 0
    assert answers.get() == "cim-embedded"
