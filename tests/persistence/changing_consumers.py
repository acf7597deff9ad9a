"""This module is a stage for tests of operations that change consumers: a stream with six messages, and consumers that have read some."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.persistence.encoding import Value
from apps.persistence.store import ConsumerInfo, Store, create_consumer, find_consumer
from tests.persistence.bad_network import Proxy
from tests.persistence.operating import Noted

DEADLINE_SECONDS = 60


class Killed(Exception):
    """This attempt's worker was killed."""


@dataclass(slots=True)
class KilledAtTheEnd(Noted):
    """The worker dies once everything is done, and before that is known."""

    async def report(
        self, done: int, total: int, *, checkpoint: Mapping[str, Value] | None = None, sequence: int | None = None, force: bool = False
    ) -> None:
        await Noted.report(self, done, total, checkpoint=checkpoint)
        if done:
            raise Killed


@dataclass(slots=True)
class Deaf(Noted):
    """From the first checkpoint on the worker hears no answer."""

    proxy: Proxy | None = None

    async def report(
        self, done: int, total: int, *, checkpoint: Mapping[str, Value] | None = None, sequence: int | None = None, force: bool = False
    ) -> None:
        await Noted.report(self, done, total, checkpoint=checkpoint)
        if self.proxy:
            self.proxy.is_dropping_answers = True


async def make_consumer(store: Store, stream: str, *, name: str = "packer", **config: Any) -> str:
    """A durable pull consumer that acknowledges each event, unless `config` says else."""
    await create_consumer(store.connection, stream, {"durable_name": name, "name": name, "ack_policy": "explicit", **config})
    return name


async def consume(store: Store, stream: str, name: str, count: int, *, is_acknowledged: bool = True) -> list[int]:
    """Ask for `count` events, and acknowledge them; the sequences that came."""
    connection, inbox, replies, all_here = store.connection, store.connection.new_inbox(), list[str](), asyncio.Event()

    def take(_subject: bytes, reply: bytes, _data: bytes, _headers: bytes) -> None:
        replies.append(reply.decode())
        if len(replies) == count:
            all_here.set()

    subscription = await connection.subscribe_raw(inbox, take)
    request = json.dumps({"batch": count, "expires": DEADLINE_SECONDS * 10**9}).encode()
    await connection.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}", request, reply=inbox)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await all_here.wait()
        await connection.unsubscribe_raw(subscription)
        if is_acknowledged:
            for reply in replies:
                await connection.request(reply, b"+ACK")
    return [int(reply.split(".")[5]) for reply in replies]


async def consumer_of(store: Store, stream: str, name: str = "packer") -> ConsumerInfo:
    found = await find_consumer(store.connection, stream, name)
    assert found is not None
    return found
