"""This module is the tests of a browser that goes while a message to it is under way, as Daphne and other servers tell of it."""

from __future__ import annotations

from typing import Any

import pytest
from autobahn.exception import Disconnected
from channels.sessions import CookieMiddleware

from apps.live.consumer import LiveConsumer
from apps.live.messages import sign_topics
from apps.live.process import live_path

from .live_hub_stage import until
from .test_live_consumer import Socket, User, clocks, session_key, viewer

__all__ = ["clocks", "session_key", "viewer"]

pytestmark = pytest.mark.django_db(transaction=True)


class LeavingSocket(Socket):
    """A socket whose browser has gone by the time the first frame is sent. `refused` counts what could not be sent."""

    def __init__(self, session_key: str, error: Exception) -> None:
        super().__init__(session_key)
        self.refused = 0
        self.application = self._failing(CookieMiddleware(LiveConsumer.as_asgi()), error)

    def _failing(self, application: Any, error: Exception) -> Any:
        async def serve(scope: Any, receive: Any, send: Any) -> None:
            async def send_or_fail(message: dict[str, Any]) -> None:
                if message["type"] == "websocket.send":
                    self.refused += 1
                    raise error
                await send(message)

            await application(scope, receive, send_or_fail)

        return serve


@pytest.mark.parametrize("error", [Disconnected("Attempt to send on a closed protocol"), ConnectionResetError()], ids=["daphne", "others"])
async def test_a_browser_that_goes_while_it_is_sent_a_frame_leaves_in_silence(session_key: str, viewer: User, error: Exception) -> None:
    socket = LeavingSocket(session_key, error)
    await socket.connect()
    await socket.send_json_to({"type": "open", "topics": [sign_topics(viewer.pk, ("clock:noon",))]})
    await until(lambda: socket.refused == 1)

    await socket.disconnect()

    assert socket.refused == 1
    assert not live_path().hub._subscribers
