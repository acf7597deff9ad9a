"""This module is the live socket of one page: who may hold it, what it may say, and the way of frames from the hub to the browser."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from autobahn.exception import Disconnected
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError

from apps import connection

from .crossing import crossing_to_here
from .messages import MESSAGE_BYTES, Ack, BadMessage, ForgedTopics, Message, Open, Pause, Resume, parse, read_topics
from .process import LivePath, live_path
from .rights import NOT_ALLOWED, SIGNED_OUT, TRY_AGAIN, Claim, Refusal, judge, read_standing
from .sources import UnknownTopic, source_of
from .subscriber import Subscriber, Wire

BAD_MESSAGE = 4400
TOO_MUCH = 4429
TOO_LARGE = 1009

SOCKETS_PER_PERSON = 20
MESSAGES_PER_SECOND = 20.0
MESSAGES_AT_ONCE = 40.0

SEE_LIVE = frozenset({"live.view"})

_open_sockets: Counter[object] = Counter()

logger = logging.getLogger(__name__)


class LiveConsumer(AsyncWebsocketConsumer):
    """One socket, whose origin has been checked and whose cookies have been read on the way here.

    Rights are read when it opens, when it says what it looks at, and every few seconds by the watch; a message from between is judged
    by the last reading.
    """

    def __init__(self) -> None:
        super().__init__()
        self._outgoing: asyncio.Queue[object] = asyncio.Queue()
        self._claim: Claim | None = None
        self._path: LivePath | None = None
        self._subscriber: Subscriber | None = None
        self._is_closing = False
        self._allowance = MESSAGES_AT_ONCE
        self._allowed_at = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As Channels does it, without its channel layer, and without a visit to the database's thread for every message."""
        self.scope, self._server_send, self.base_send = scope, send, self._hand_out
        async with asyncio.TaskGroup() as group:
            sender = group.create_task(self._send_outgoing())
            try:
                while True:
                    message = await receive()
                    await getattr(self, message["type"].replace(".", "_"))(message)
            except StopConsumer:
                pass
            finally:
                sender.cancel()
                self._leave()

    # -- from the browser ------------------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        await self.accept()
        session_key = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        if not session_key:
            await self._end(SIGNED_OUT, "You are signed out.")
        elif await self._stands_on(Claim(session_key=session_key, permissions=SEE_LIVE)):
            self._path = await sync_to_async(live_path, thread_sensitive=False)()
            await self._join(self._path)

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
            await self._obey(text_data, self._subscriber)

    async def _join(self, path: LivePath) -> None:
        assert self._claim is not None
        if _open_sockets[self._claim.user_id] >= SOCKETS_PER_PERSON:
            await self._end(TOO_MUCH, f"You have {SOCKETS_PER_PERSON} live pages open; close some.")
            return
        _open_sockets[self._claim.user_id] += 1
        self._subscriber = Subscriber(self._wire())
        connection.on_loop(path.hub.join, self._subscriber)
        connection.on_loop(path.watch.hold, self._subscriber.wire, self._claim)

    async def _obey(self, text: str, subscriber: Subscriber) -> None:
        try:
            await self._act(parse(text), subscriber)
        except (BadMessage, UnknownTopic) as error:
            await self._end(BAD_MESSAGE, str(error))
        except ForgedTopics as error:
            await self._end(NOT_ALLOWED, str(error))

    async def _act(self, message: Message, subscriber: Subscriber) -> None:
        assert self._path is not None
        match message:
            case Open():
                await self._look_at(message, subscriber, self._path)
            case Ack() if not subscriber.acknowledge(message.number):
                raise BadMessage(f"Message {message.number} was never sent.")
            case Pause():
                connection.on_loop(self._path.hub.pause, subscriber, message.topic)
            case Resume():
                connection.on_loop(self._path.hub.resume, subscriber, message.topic)

    async def _look_at(self, message: Open, subscriber: Subscriber, path: LivePath) -> None:
        assert self._claim is not None
        topics = read_topics(self._claim.user_id, message.signed)
        needed = frozenset(permission for topic in topics if (permission := source_of(topic).permission) is not None)
        claim = Claim(session_key=self._claim.session_key, permissions=SEE_LIVE | needed, user_id=self._claim.user_id)
        if await self._stands_on(claim):
            look: Callable[[], None] = partial(path.hub.look_at, subscriber, topics, positions=message.positions, paused=message.paused)
            connection.on_loop(path.watch.hold, subscriber.wire, claim)
            connection.on_loop(look)

    # -- rights ----------------------------------------------------------------------------------------------------------------------

    async def _stands_on(self, claim: Claim) -> bool:
        """Take up a claim that the database bears at this moment; the socket is closed where it does not."""
        try:
            standing = await database_sync_to_async(read_standing)(claim.session_key, claim.permissions)
        except DatabaseError as error:
            logger.warning("live: rights cannot be read, so the socket is closed: %s", error)
            await self._end(TRY_AGAIN, "Your rights cannot be read at the moment.")
            return False
        refusal = judge(claim, standing)
        if refusal is not None:
            await self._end(refusal.code, refusal.reason)
            return False
        assert standing is not None, "a claim is never borne by nobody"
        self._claim = Claim(session_key=claim.session_key, permissions=claim.permissions, user_id=standing.user_id)
        return True

    def _is_within_rate(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._allowance = min(MESSAGES_AT_ONCE, self._allowance + (now - self._allowed_at) * MESSAGES_PER_SECOND) - 1
        self._allowed_at = now
        return self._allowance >= 0

    # -- to the browser --------------------------------------------------------------------------------------------------------------

    def _wire(self) -> Wire:
        crossing = crossing_to_here()
        return Wire(
            send=lambda text: crossing.put(self._outgoing, text),
            close=lambda code, reason: crossing.put(self._outgoing, Refusal(code=code, reason=reason)),
        )

    async def _send_outgoing(self) -> None:
        while True:
            item = await self._outgoing.get()
            if isinstance(item, Refusal):
                await self._end(item.code, item.reason)
            elif isinstance(item, str) and not self._is_closing:
                await self.send(text_data=item)

    async def _hand_out(self, message: Any) -> None:
        """Give the server what the browser is to get. It may go in this very moment; the server tells of that by a message of its own."""
        try:
            await self._server_send(message)
        except (OSError, Disconnected):
            self._is_closing = True
            self._leave()

    async def _end(self, code: int, reason: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._leave()
            await self.close(code=code, reason=reason)

    def _leave(self) -> None:
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None and self._path is not None and self._claim is not None:
            _open_sockets[self._claim.user_id] -= 1
            connection.on_loop(self._path.hub.leave, subscriber)
            connection.on_loop(self._path.watch.let_go, subscriber.wire)
