"""This module is the tests of which sites may open the live socket."""

from __future__ import annotations

from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from pytest_django import Settings

from cimadmin.origin import OnlyOwnOrigin, is_own_origin


def _scope(origin: str | None, *, host: str = "localhost:8000", scheme: str = "ws") -> dict[str, Any]:
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    return {"type": "websocket", "scheme": scheme, "headers": headers}


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("http://localhost:8000", True),
        ("http://localhost:8001", False),
        ("https://localhost:8000", False),
        ("http://localhost", False),
        ("http://evil.example:8000", False),
        ("null", False),
        (None, False),
    ],
)
def test_scheme_host_and_port_must_be_those_asked_for(origin: str | None, is_ours: bool) -> None:
    assert is_own_origin(_scope(origin)) is is_ours


def test_a_host_that_is_not_ours_opens_nothing_even_where_the_origin_agrees() -> None:
    assert not is_own_origin(_scope("http://evil.example", host="evil.example"))


def test_behind_a_proxy_the_named_origins_count(settings: Settings) -> None:
    settings.CIM_ORIGINS = ["https://cim.example.org"]

    assert is_own_origin(_scope("https://cim.example.org", host="10.0.0.4:8000"))
    assert not is_own_origin(_scope("http://10.0.0.4:8000", host="10.0.0.4:8000"))


async def test_a_socket_from_another_site_is_closed_before_it_opens() -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the socket was let in")

    socket = WebsocketCommunicator(OnlyOwnOrigin(never), "/live", headers=_scope("http://evil.example")["headers"])

    is_open, _ = await socket.connect()

    assert not is_open
