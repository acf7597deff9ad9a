"""This module is the live socket of one page: who may hold it, what it may say, and the way of frames from the hub to the browser."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError

from apps import connection

from .hub import BAD_MESSAGE, Hub
from .messages import MESSAGE_BYTES, Ack, BadMessage, ForgedTopics, Message, Open, Pause, Resume, parse, read_topics
from .process import current_hub
from .rights import Standing, read_standing
from .sources import UnknownTopic, source_of
from .subscriber import Subscriber, Wire

SIGNED_OUT = 4401
NOT_ALLOWED = 4403
TOO_MUCH = 4429
TOO_LARGE = 1009
TRY_AGAIN = 1011

SOCKETS_PER_PERSON = 20
MESSAGES_PER_SECOND = 20.0
MESSAGES_AT_ONCE = 40.0
RIGHTS_SECONDS = 3.0

SEE_LIVE = "live.view"

_open_sockets: Counter[object] = Counter()

logger = logging.getLogger(__name__)


class LiveConsumer(AsyncWebsocketConsumer):
    """One socket, whose origin has been checked and whose cookies have been read on the way here.

    Rights are read when it opens, when it says what it looks at, and every RIGHTS_SECONDS; a message from between is judged by the
    last reading.
    """

    def __init__(self) -> None:
        super().__init__()
        self._outgoing: asyncio.Queue[str | tuple[int, str]] = asyncio.Queue()
        self._session_key: str | None = None
        self._standing: Standing | None = None
        self._needed: frozenset[str] = frozenset({SEE_LIVE})
        self._hub: Hub | None = None
        self._subscriber: Subscriber | None = None
        self._is_closing = False
        self._allowance = MESSAGES_AT_ONCE
        self._allowed_at = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with asyncio.TaskGroup() as group:
            duties = [group.create_task(self._send_outgoing()), group.create_task(self._watch_rights())]
            try:
                await super().__call__(scope, receive, send)
            finally:
                for duty in duties:
                    duty.cancel()
                self._leave()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As Channels does it, but without a visit to the database's thread for every message."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    # -- from the browser ------------------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._session_key = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        await self.accept()
        if not await self._check_rights():
            return
        self._hub = await sync_to_async(current_hub, thread_sensitive=False)()
        assert self._standing is not None
        if _open_sockets[self._standing.user_id] >= SOCKETS_PER_PERSON:
            await self._end(TOO_MUCH, f"You have {SOCKETS_PER_PERSON} live pages open; close some.")
            return
        self._subscriber = Subscriber(self._wire())
        _open_sockets[self._standing.user_id] += 1
        connection.on_loop(self._hub.join, self._subscriber)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._is_closing or self._subscriber is None:
            return
        if len(text_data or bytes_data or "") > MESSAGE_BYTES:
            await self._end(TOO_LARGE, f"A message may have {MESSAGE_BYTES:,} bytes.")
        elif not self._is_within_rate():
            await self._end(TOO_MUCH, f"More than {MESSAGES_PER_SECOND:g} messages a second.")
        elif text_data is None:
            await self._end(BAD_MESSAGE, "Only text is understood here.")
        else:
            await self._obey(text_data)

    async def _obey(self, text: str) -> None:
        try:
            await self._act(parse(text))
        except (BadMessage, UnknownTopic) as error:
            await self._end(BAD_MESSAGE, str(error))
        except ForgedTopics as error:
            await self._end(NOT_ALLOWED, str(error))

    async def _act(self, message: Message) -> None:
        match message:
            case Open():
                await self._look_at(message)
            case Ack():
                self._tell_hub(Hub.acknowledge, message.number)
            case Pause():
                self._tell_hub(Hub.pause, message.topic)
            case Resume():
                self._tell_hub(Hub.resume, message.topic)

    async def _look_at(self, message: Open) -> None:
        assert self._standing is not None
        topics = read_topics(self._standing.user_id, message.signed)
        needed = {source_of(topic).permission for topic in topics}
        self._needed = frozenset({SEE_LIVE, *(permission for permission in needed if permission is not None)})
        if await self._check_rights():
            self._tell_hub(Hub.look_at, topics, positions=message.positions, paused=message.paused)

    # -- rights ----------------------------------------------------------------------------------------------------------------------

    async def _check_rights(self) -> bool:
        """Read the person's standing anew; the socket is closed where it no longer suffices."""
        try:
            standing = await database_sync_to_async(read_standing)(self._session_key, self._needed)
        except DatabaseError as error:
            logger.warning("live: rights cannot be read, the socket is closed: %s", error)
            await self._end(TRY_AGAIN, "Your rights cannot be read at the moment.")
            return False
        if standing is None or (self._standing is not None and standing.user_id != self._standing.user_id):
            await self._end(SIGNED_OUT, "You are signed out.")
            return False
        if missing := self._needed - standing.permissions:
            await self._end(NOT_ALLOWED, f"This needs the right {min(missing)}; ask an admin for it.")
            return False
        self._standing = standing
        return True

    async def _watch_rights(self) -> None:
        while True:
            await asyncio.sleep(RIGHTS_SECONDS)
            if self._subscriber is not None and not self._is_closing:
                await self._check_rights()

    def _is_within_rate(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._allowance = min(MESSAGES_AT_ONCE, self._allowance + (now - self._allowed_at) * MESSAGES_PER_SECOND) - 1
        self._allowed_at = now
        return self._allowance >= 0

    # -- to the browser --------------------------------------------------------------------------------------------------------------

    def _wire(self) -> Wire:
        socket_loop = asyncio.get_running_loop()

        def put(item: str | tuple[int, str]) -> None:
            if not socket_loop.is_closed():
                socket_loop.call_soon_threadsafe(self._outgoing.put_nowait, item)

        return Wire(send=put, close=lambda code, reason: put((code, reason)))

    async def _send_outgoing(self) -> None:
        while True:
            item = await self._outgoing.get()
            if self._is_closing:
                continue
            if isinstance(item, str):
                await self.send(text_data=item)
            else:
                await self._end(*item)

    async def _end(self, code: int, reason: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._leave()
            await self.close(code=code, reason=reason)

    def _leave(self) -> None:
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None and self._hub is not None and self._standing is not None:
            _open_sockets[self._standing.user_id] -= 1
            connection.on_loop(self._hub.leave, subscriber)

    def _tell_hub(self, act: Callable[..., None], *args: Any, **named: Any) -> None:
        if self._hub is not None and self._subscriber is not None:
            connection.on_loop(partial(act, self._hub, self._subscriber, *args, **named))
