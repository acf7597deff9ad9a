"""This module is the tests of the watch over the rights of open sockets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, User

from apps.live import rights
from apps.live.rights import Claim, RightsWatch, Standing
from apps.live.subscriber import Wire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session_key() -> str:
    """The session of a signed-in viewer."""
    viewer = User.objects.create_user("vera", password="a long password")
    viewer.groups.add(Group.objects.get_or_create(name="viewer")[0])
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(viewer.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = viewer.get_session_auth_hash()
    session.save()
    return str(session.session_key)


@pytest.fixture
def closed() -> list[int]:
    """The codes with which the socket was closed."""
    return []


@pytest.fixture
def wire(closed: list[int]) -> Wire:
    return Wire(send=lambda _text: None, close=lambda code, _reason: closed.append(code))


async def test_a_socket_that_looks_at_more_while_rights_are_read_stays_open(
    session_key: str, wire: Wire, closed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = RightsWatch()
    watch.hold(wire, Claim(session_key=session_key, permissions=frozenset({"live.view"})))
    read = rights.read_standings

    def read_slowly(needed: Mapping[str, Iterable[str]]) -> dict[str, Standing | None]:
        standings = read(needed)
        watch.hold(wire, Claim(session_key=session_key, permissions=frozenset({"live.view", "streams.view"})))
        return standings

    monkeypatch.setattr(rights, "read_standings", read_slowly)

    await watch._look()

    assert closed == []


async def test_a_socket_closes_when_its_person_loses_the_right(session_key: str, wire: Wire, closed: list[int]) -> None:
    watch = RightsWatch()
    watch.hold(wire, Claim(session_key=session_key, permissions=frozenset({"streams.view"})))
    await sync_to_async(Group.objects.all().delete)()

    await watch._look()

    assert closed == [4403]
