"""This module is the tests of the live socket: who may open it, what it may say, and when it is closed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.sessions import CookieMiddleware
from channels.testing import WebsocketCommunicator
from django.conf import LazySettings, settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session

from apps import connection
from apps.live import consumer as consumer_module
from apps.live.consumer import LiveConsumer
from apps.live.frames import Fragment, Frame
from apps.live.messages import MESSAGE_BYTES, sign_topics
from apps.live.sources import SOURCES, source

pytestmark = pytest.mark.django_db(transaction=True)

CLOSE_SECONDS = 5


async def clock(_store: object, argument: str) -> AsyncIterator[Sequence[Frame]]:
    yield [Fragment(id="clock", html=f'<p id="clock">{argument}</p>')]


@pytest.fixture(autouse=True)
def clocks() -> Iterator[None]:
    """Two sources that need no NATS: one for every viewer, one for admins alone."""
    source("clock", permission="streams.view", needs_store=False)(clock)  # type: ignore[arg-type]
    source("people-clock", permission="people.view", needs_store=False)(clock)  # type: ignore[arg-type]
    yield
    connection.stop()
    del SOURCES["clock"], SOURCES["people-clock"]


@pytest.fixture
def viewer() -> User:
    viewer = User.objects.create_user("vera", password="a long password")
    viewer.groups.add(Group.objects.get_or_create(name="viewer")[0])
    return viewer


def sign_in(user: User) -> str:
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


@pytest.fixture
def session_key(viewer: User) -> str:
    return sign_in(viewer)


class Socket(WebsocketCommunicator):
    """A browser's socket with a session cookie."""

    def __init__(self, session_key: str = "") -> None:
        cookie = f"{settings.SESSION_COOKIE_NAME}={session_key}".encode()
        super().__init__(CookieMiddleware(LiveConsumer.as_asgi()), "/live", headers=[(b"cookie", cookie)])

    async def open(self, *signed: str) -> dict[str, Any]:
        """Connect, say what the page looks at, and return the first message that holds a frame."""
        await self.connect(timeout=CLOSE_SECONDS)
        await self.send_json_to({"type": "open", "topics": list(signed)})
        while True:
            message = await self.receive_json_from(timeout=CLOSE_SECONDS)
            await self.send_json_to({"type": "ack", "n": message["n"]})
            if message["frames"]:
                return message

    async def close_code(self) -> int:
        """The code with which the server closes; frames that are still under way are passed over."""
        while True:
            output = await self.receive_output(timeout=CLOSE_SECONDS)
            if output["type"] == "websocket.close":
                return output["code"]


@pytest.fixture
async def socket(session_key: str) -> AsyncIterator[Socket]:
    socket = Socket(session_key)
    yield socket
    await socket.disconnect()


async def test_a_signed_in_person_gets_the_frames_of_the_page(socket: Socket, viewer: User) -> None:
    message = await socket.open(sign_topics(viewer.pk, ("clock:noon",)))

    assert message["frames"] == [{"id": "clock", "html": '<p id="clock">noon</p>'}]


async def test_a_page_may_look_at_other_topics_over_the_same_socket(socket: Socket, viewer: User) -> None:
    await socket.open(sign_topics(viewer.pk, ("clock:noon",)))

    await socket.send_json_to({"type": "open", "topics": [sign_topics(viewer.pk, ("clock:night",))]})

    said = ""
    while "night" not in said:
        said = await socket.receive_from(timeout=CLOSE_SECONDS)
        await socket.send_json_to({"type": "ack", "n": json.loads(said)["n"]})


async def test_somebody_signed_out_is_told_so() -> None:
    socket = Socket()
    await socket.connect(timeout=CLOSE_SECONDS)

    assert await socket.close_code() == 4401
    await socket.disconnect()


async def test_a_person_without_a_role_may_not_look(viewer: User, socket: Socket) -> None:
    await sync_to_async(viewer.groups.clear)()
    await socket.connect(timeout=CLOSE_SECONDS)

    assert await socket.close_code() == 4403


FORGERIES: dict[str, Callable[[User], str]] = {
    "not signed": lambda viewer: json.dumps({"user": str(viewer.pk), "topics": ["clock"]}),
    "changed": lambda viewer: sign_topics(viewer.pk, ("clock",))[:-1] + "x",
    "signed for somebody else": lambda viewer: sign_topics(viewer.pk + 1, ("clock",)),
    "beyond the role": lambda viewer: sign_topics(viewer.pk, ("people-clock",)),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_topics_that_a_page_did_not_give_this_person_are_refused(socket: Socket, viewer: User, forgery: str) -> None:
    await socket.connect(timeout=CLOSE_SECONDS)

    await socket.send_json_to({"type": "open", "topics": [FORGERIES[forgery](viewer)]})

    assert await socket.close_code() == 4403


BAD_MESSAGES = {
    "not JSON": "{",
    "too deep": "[" * 10_000,
    "not an object": "[]",
    "without a type": "{}",
    "of an unknown type": '{"type": "subscribe"}',
    "with a type that is no text": '{"type": ["open"]}',
    "with an extra key": '{"type": "ack", "n": 1, "as": "admin"}',
    "with a missing key": '{"type": "ack"}',
    "with a number as text": '{"type": "ack", "n": "1"}',
    "with a truth for a number": '{"type": "ack", "n": true}',
    "with a negative number": '{"type": "ack", "n": -1}',
    "with an acknowledgement from the future": '{"type": "ack", "n": 99}',
    "with too many topics": json.dumps({"type": "open", "topics": ["a"] * 17}),
    "with positions that are no object": '{"type": "open", "topics": [], "resume": []}',
    "with a huge position": '{"type": "open", "topics": [], "resume": {"tail": 9223372036854775808}}',
    "with an empty topic": '{"type": "pause", "topic": ""}',
}


@pytest.mark.parametrize("kind", BAD_MESSAGES)
async def test_a_message_outside_the_protocol_closes_the_socket(socket: Socket, kind: str) -> None:
    await socket.connect(timeout=CLOSE_SECONDS)

    await socket.send_to(BAD_MESSAGES[kind])

    assert await socket.close_code() == 4400


async def test_bytes_are_refused(socket: Socket) -> None:
    await socket.connect(timeout=CLOSE_SECONDS)

    await socket.send_to(bytes_data=b"\x00")

    assert await socket.close_code() == 4400


async def test_a_message_that_is_too_large_is_refused(socket: Socket) -> None:
    await socket.connect(timeout=CLOSE_SECONDS)

    await socket.send_to("x" * (MESSAGE_BYTES + 1))

    assert await socket.close_code() == 1009


async def test_a_flood_of_messages_is_refused(socket: Socket) -> None:
    await socket.connect(timeout=CLOSE_SECONDS)

    for _ in range(50):
        await socket.send_json_to({"type": "pause", "topic": "clock"})

    assert await socket.close_code() == 4429


async def test_a_person_may_hold_only_so_many_sockets(
    socket: Socket, viewer: User, session_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "SOCKETS_PER_PERSON", 1)
    one_too_many = Socket(session_key)
    await socket.open(sign_topics(viewer.pk, ("clock",)))

    await one_too_many.connect(timeout=CLOSE_SECONDS)

    assert await one_too_many.close_code() == 4429
    await one_too_many.disconnect()


async def test_a_closed_socket_makes_room_for_another(viewer: User, session_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_module, "SOCKETS_PER_PERSON", 1)
    signed = sign_topics(viewer.pk, ("clock",))
    before, after = Socket(session_key), Socket(session_key)
    await before.open(signed)
    await before.disconnect()

    message = await after.open(signed)

    assert message["n"] >= 1
    await after.disconnect()


def delete_session(_viewer: User, session_key: str) -> None:
    Session.objects.filter(session_key=session_key).delete()


def close_access(viewer: User, _session_key: str) -> None:
    User.objects.filter(pk=viewer.pk).update(is_active=False)


def delete_person(viewer: User, _session_key: str) -> None:
    User.objects.filter(pk=viewer.pk).delete()


def change_password(viewer: User, _session_key: str) -> None:
    viewer.set_password("another long password")
    viewer.save()


def take_role(viewer: User, _session_key: str) -> None:
    viewer.groups.clear()


REVOCATIONS = {delete_session: 4401, close_access: 4401, delete_person: 4401, change_password: 4401, take_role: 4403}


@pytest.mark.parametrize("revoke", REVOCATIONS)
async def test_an_open_socket_closes_within_five_seconds_when_rights_end(
    socket: Socket, viewer: User, session_key: str, revoke: Callable[[User, str], None]
) -> None:
    await socket.open(sign_topics(viewer.pk, ("clock",)))

    await sync_to_async(revoke)(viewer, session_key)

    assert await socket.close_code() == REVOCATIONS[revoke]


async def test_a_socket_closes_when_rights_can_no_longer_be_read(socket: Socket, viewer: User, settings: LazySettings) -> None:
    await socket.open(sign_topics(viewer.pk, ("clock",)))

    settings.SESSION_ENGINE = "no.such.engine"

    assert await socket.close_code() == 1011
