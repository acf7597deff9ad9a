"""This module is the bare client: the same requests by plain nats-py, with nothing checked, decoded or resolved."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from apps.persistence.store import ConnectionSettings, Outgoing

TIMEOUT_SECONDS = 30.0


class Bare:
    """A nats-py client, one inbox for answers of several messages, and JetStream. Made by `open_bare`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jetstream = client.jetstream(timeout=TIMEOUT_SECONDS)
        self._inbox = client.new_inbox()
        self._asked = 0
        self._answers: dict[str, tuple[list[bytes], asyncio.Future[None]]] = {}

    async def listen(self) -> None:
        await self.client.subscribe(f"{self._inbox}.*", cb=self._on_answer, pending_msgs_limit=-1, pending_bytes_limit=-1)

    async def publish(self, outgoing: Outgoing) -> None:
        """One message, acknowledged."""
        await self.jetstream.publish(outgoing.subject, outgoing.data, headers=dict(outgoing.headers))

    async def publish_batch(self, messages: Sequence[Outgoing]) -> None:
        """An atomic batch (ADR-50), acknowledged."""
        batch, last = uuid.uuid4().hex, len(messages)
        for number, message in enumerate(messages, start=1):
            headers = {**message.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            if number < last:
                await self.client.publish(message.subject, message.data, headers=headers)
                continue
            headers["Nats-Batch-Commit"] = "1"
            answer = await self.client.request(message.subject, message.data, headers=headers, timeout=TIMEOUT_SECONDS)
            assert "error" not in json.loads(answer.data), answer.data

    async def last_of_each(self, stream: str, patterns: Sequence[str]) -> list[bytes]:
        """The bodies that one Direct Get with `multi_last` answers."""
        self._asked += 1
        token, bodies, done = str(self._asked), list[bytes](), asyncio.get_running_loop().create_future()
        self._answers[token] = bodies, done
        body = json.dumps({"multi_last": list(patterns)}).encode()
        await self.client.publish(f"$JS.API.DIRECT.GET.{stream}", body, reply=f"{self._inbox}.{token}")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await done
        del self._answers[token]
        return bodies

    async def last(self, stream: str, subject: str) -> bytes:
        """The body of the last message under a subject, by Direct Get."""
        answer = await self.client.request(f"$JS.API.DIRECT.GET.{stream}.{subject}", b"", timeout=TIMEOUT_SECONDS)
        return answer.data

    async def read_in_order(self, stream: str, subjects: str, count: int) -> None:
        """The first messages of a stream, by nats-py's ordered consumer."""
        subscription = await self.jetstream.subscribe(
            subjects, stream=stream, ordered_consumer=True, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        seen = 0
        async for _ in subscription.messages:
            seen += 1
            if seen == count:
                break
        await subscription.unsubscribe()

    async def _on_answer(self, message: Msg) -> None:
        bodies, done = self._answers[message.subject.rpartition(".")[2]]
        if message.headers and "Status" in message.headers:
            assert message.headers["Status"] == "204", message.headers
            done.set_result(None)
        else:
            bodies.append(message.data)


@asynccontextmanager
async def open_bare(settings: ConnectionSettings) -> AsyncIterator[Bare]:
    client = await nats.connect(
        settings.url,
        user=settings.user,
        password=settings.password,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        error_cb=_expect,
    )
    bare = Bare(client)
    await bare.listen()
    try:
        yield bare
    finally:
        await client.close()


async def _expect(error: Exception) -> None:
    """The server is restarted on purpose; what fails besides shows where it is awaited."""
