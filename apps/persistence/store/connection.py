"""This module is one kept connection to a NATS server: requests, publishing, subscriptions, and what is known about the server.

One event loop owns a connection. Every request has a timeout and ends in an error of ours; when the connection breaks, what waits for an
answer fails at once, and the client reconnects for ever by itself.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from nats import errors as nats_errors
from nats.aio.subscription import Subscription

from ..errors import InvalidInput, JetStreamDisabled, PermissionDenied, Unavailable, Unreachable
from ..events import now
from .api_errors import api_error, cannot_connect
from .client import DirectClient
from .link import ConnectionState, CoreMessage, Link, PendingRequest, Reply, ServerFacts
from .settings import CONNECT_SECONDS, ConnectionSettings, connect_options

REQUEST_SECONDS = 5.0


class Connection:
    """A kept connection. Made by `open_connection`; used only from the loop that opened it."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings = settings
        self.client = DirectClient()
        self.without_direct_get: dict[str, float] = {}
        self._state = ConnectionState(link=Link.CLOSED, since=now())
        self._pending: dict[str, PendingRequest] = {}
        self._count, self._inbox = 0, ""
        self._refused: asyncio.Future[None] | None = None
        self._listeners: list[Callable[[ConnectionState], None]] = []

    # -- what is known ---------------------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The connection's name in the console."""
        return self.settings.name

    @property
    def state(self) -> ConnectionState:
        """The link as it is now."""
        return self._state

    @property
    def server(self) -> ServerFacts:
        """The server's greeting; of the last server if the link is broken."""
        info = self.client._server_info
        return ServerFacts(
            name=str(info.get("server_name", "")),
            version=str(info.get("version", "0.0")),
            cluster=str(info.get("cluster", "")),
            max_payload=int(info.get("max_payload", 1_048_576)),
            domain=str(info.get("domain", "")),
        )

    @property
    def is_connected(self) -> bool:
        """Whether the link stands at this moment."""
        return self._state.link is Link.CONNECTED

    def on_change(self, listener: Callable[[ConnectionState], None]) -> None:
        """Call `listener` whenever the link changes, on the connection's loop."""
        self._listeners.append(listener)

    async def round_trip_ms(self) -> float:
        """A ping to the server and back, in milliseconds. Raises Unavailable."""
        started = time.perf_counter()
        try:
            await self.client.flush(timeout=2)
        except (nats_errors.Error, TimeoutError, OSError) as error:
            raise self._broken(error) from error
        return (time.perf_counter() - started) * 1000

    # -- asking ----------------------------------------------------------------------------------------------------------------------

    async def api(
        self, name: str, body: Mapping[str, Any] | None = None, *, stream: str = "", timeout: float = REQUEST_SECONDS
    ) -> dict[str, Any]:
        """Ask the JetStream API `name` (such as `STREAM.INFO.ORDERS`) and return its answer. Raises as `api_error`, or Unavailable."""
        payload = json.dumps(body).encode() if body is not None else b""
        reply = await self.request(f"{self.settings.api_root}.{name}", payload, timeout=timeout)
        if reply.status == "503":
            raise JetStreamDisabled(
                f"Nobody answers {self.settings.api_root}.{name.split('.')[0]}: JetStream is not enabled on {self.settings.url}, or the "
                "JetStream domain or API prefix is wrong. Start nats-server with -js, or correct the connection's domain."
            )
        answer: dict[str, Any] = json.loads(reply.data)
        if "error" in answer:
            raise api_error(answer["error"], stream=stream or name.rpartition(".")[2])
        return answer

    async def request(
        self, subject: str, data: bytes = b"", headers: Mapping[str, str] | None = None, *, timeout: float = REQUEST_SECONDS
    ) -> Reply:
        """Publish and wait for one answer. A status 503 (nobody listens) is returned, not raised."""
        replies = await self.request_many(subject, data, lambda _: True, headers=headers, timeout=timeout)
        return replies[0]

    async def request_many(
        self,
        subject: str,
        data: bytes,
        is_last: Callable[[Reply], bool],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = REQUEST_SECONDS,
    ) -> list[Reply]:
        """Publish and collect answers until `is_last` says so. Raises PermissionDenied, or Unavailable if the link breaks or time is up."""
        self._count += 1
        token = str(self._count)
        waiting = PendingRequest(subject, is_last, asyncio.get_running_loop().create_future())
        self._pending[token] = waiting
        try:
            async with asyncio.timeout(timeout):
                await self.publish(subject, data, headers, reply=f"{self._inbox}.{token}")
                await waiting.done
        except TimeoutError as error:
            raise Unavailable(f"{subject} was not answered within {timeout:g} s by {self.settings.url}.") from error
        finally:
            del self._pending[token]
        return waiting.replies

    async def publish(self, subject: str, data: bytes = b"", headers: Mapping[str, str] | None = None, *, reply: str = "") -> None:
        """Publish to core NATS. Raises Unavailable while the link is broken (nothing is kept for later), InvalidInput if too large."""
        try:
            await self.client.publish(subject, data, reply, dict(headers) if headers else None)
        except nats_errors.MaxPayloadError as error:
            raise InvalidInput(
                f"A message of {len(data):,} bytes is larger than the server takes ({self.server.max_payload:,}); make it smaller, "
                "or raise max_payload."
            ) from error
        except (nats_errors.Error, OSError) as error:
            raise self._broken(error) from error

    async def publish_all(self, messages: Sequence[tuple[str, bytes, Mapping[str, str]]]) -> None:
        """Publish many messages (subject, data, headers) in one write. Raises as `publish`; then none of them was sent."""
        try:
            if messages:
                await self.client.publish_all(messages)
        except nats_errors.MaxPayloadError as error:
            raise InvalidInput(f"A message of the batch is larger than the server's {self.server.max_payload:,} bytes.") from error
        except (nats_errors.Error, OSError) as error:
            raise self._broken(error) from error

    @asynccontextmanager
    async def subscribe(self, pattern: str, callback: Callable[[CoreMessage], None], *, queue: str = "") -> AsyncIterator[None]:
        """Hand each message that matches to `callback`, which must not block; survives reconnects. Of all with one `queue` one gets it."""

        def handler(subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
            callback(CoreMessage(subject.decode(), data, headers or b"", reply.decode()))

        subscription = await self.subscribe_raw(pattern, handler, queue=queue)
        try:
            yield
        finally:
            await self.unsubscribe_raw(subscription)

    async def subscribe_raw(self, pattern: str, handler: Callable[[bytes, bytes, bytes, bytes], None], *, queue: str = "") -> Subscription:
        """Like `subscribe`, with the raw parts; end it with `unsubscribe_raw`."""
        try:
            return await self.client.subscribe_raw(pattern, handler, queue=queue)
        except (nats_errors.Error, OSError) as error:
            raise self._broken(error) from error

    async def unsubscribe_raw(self, subscription: Subscription) -> None:
        """End a subscription; harmless if the link is broken."""
        try:
            await self.client.unsubscribe_raw(subscription)
        except (nats_errors.Error, OSError):
            return

    def new_inbox(self) -> str:
        """A subject of our own that nobody else uses."""
        return self.client.new_inbox()

    # -- opening, closing, breaking ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect. Raises Unreachable, WrongCredentials or InvalidInput within CONNECT_SECONDS."""
        self._refused = asyncio.get_running_loop().create_future()
        options = connect_options(self.settings)
        connecting = asyncio.ensure_future(
            self.client.connect(
                **options,
                error_cb=self._on_error,
                disconnected_cb=self._on_broken,
                reconnected_cb=self._on_restored,
                closed_cb=self._on_closed,
            )
        )
        await asyncio.wait({connecting, self._refused}, timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done() or connecting.exception():
            await _abandon(connecting)
            await self.client.close()
            raise self._cannot_connect(connecting)
        self._refused = None
        self._inbox = self.client.new_inbox()
        await self.client.subscribe_raw(f"{self._inbox}.*", self._on_reply)
        self._set(Link.CONNECTED)

    async def close(self) -> None:
        """Close for good."""
        self._fail_pending(Unavailable("The connection was closed."))
        with suppress(OSError):  # where the server is gone
            await self.client.close()

    def _cannot_connect(self, connecting: asyncio.Future[None]) -> Unavailable:
        failed = connecting.exception() if connecting.done() and not connecting.cancelled() else None
        return cannot_connect(self.settings, self._state.last_error or str(failed or ""))

    def _broken(self, error: BaseException) -> Unavailable:
        if isinstance(error, nats_errors.BadSubjectError):
            return Unavailable(f"The subject cannot be used: {error}")
        return Unreachable(f"The connection to {self.settings.url} is broken ({_words(error)}); it is being restored.")

    def _on_reply(self, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        waiting = self._pending.get(subject.rpartition(b".")[2].decode())
        if waiting is None or waiting.done.done():
            return
        answer = Reply(data, headers or b"")
        waiting.replies.append(answer)
        if waiting.collect(answer):
            waiting.done.set_result(None)

    async def _on_error(self, error: Exception) -> None:
        if self._refused is not None and self._refused.done():
            return  # the reason is known; what closing the socket adds would hide it
        text = _words(error)
        self._state = ConnectionState(link=self._state.link, since=self._state.since, attempts=self._state.attempts + 1, last_error=text)
        if "permissions violation" in text.lower():
            self._deny(text)
        elif self._refused is not None and not self._refused.done() and self._state.attempts >= len(self.settings.servers):
            self._refused.set_result(None)
        elif self._state.link is Link.RECONNECTING:
            self._tell()

    def _deny(self, text: str) -> None:
        """The server names the subject in lower case; the request that waits for it will never be answered."""
        for waiting in list(self._pending.values()):
            if f'"{waiting.subject.lower()}"' in text.lower():
                waiting.fail(
                    PermissionDenied(
                        f"The NATS user of connection {self.name} may not publish to {waiting.subject}; grant it, or use another user."
                    )
                )

    async def _on_broken(self) -> None:
        self._set(Link.RECONNECTING)
        self._fail_pending(Unreachable(f"The connection to {self.settings.url} broke before the answer came; it is being restored."))

    async def _on_restored(self) -> None:
        self.without_direct_get.clear()
        self._set(Link.CONNECTED)

    async def _on_closed(self) -> None:
        self._set(Link.CLOSED)
        self._fail_pending(Unreachable(f"The connection to {self.settings.url} is closed."))

    def _fail_pending(self, error: Unavailable) -> None:
        for waiting in list(self._pending.values()):
            waiting.fail(error)

    def _set(self, link: Link) -> None:
        last_error = "" if link is Link.CONNECTED else self._state.last_error
        self._state = ConnectionState(link=link, since=now(), last_error=last_error)
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener(self._state)


@asynccontextmanager
async def open_connection(settings: ConnectionSettings) -> AsyncIterator[Connection]:
    """Connect for as long as the block lasts. Raises Unreachable, WrongCredentials or InvalidInput."""
    connection = Connection(settings)
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()


async def _abandon(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _words(error: BaseException) -> str:
    return str(error).removeprefix("nats: ").strip("' ") or type(error).__name__
