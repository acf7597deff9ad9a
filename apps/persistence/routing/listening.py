"""This module is a router at work on a connection: what is published reaches its routes, and requests get their answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import combinations

from ..errors import InvalidInput, NoRoute, PermissionDenied, PersistenceError
from ..store import Connection, CoreMessage
from ..store.client import parse_headers
from ..subjects import check_pattern, overlaps
from .message import NatsMessage
from .permissions import Act
from .router import SubjectRouter

WAITING = 10_000
"""How many messages may wait for their handlers; what comes beyond is dropped and counted, as core NATS keeps nothing."""

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Listening:
    """What became of the messages so far. What has no route or is not permitted is counted by the router."""

    received: int = 0
    failed: int = 0
    dropped: int = 0


@asynccontextmanager
async def listen(
    connection: Connection, router: SubjectRouter, patterns: Sequence[str], *, waiting: int = WAITING
) -> AsyncIterator[Listening]:
    """Route every core message that matches a pattern, in the order of arrival, for as long as the block lasts.

    Routes may be added and removed meanwhile. A request is answered with the first route's answer. A handler that fails is logged and
    counted. Raises InvalidInput for patterns that overlap (a message would come twice), PermissionDenied for one that is not permitted.
    """
    _check(router, patterns)
    queue: asyncio.Queue[CoreMessage] = asyncio.Queue(waiting)
    counts = Listening()

    def take(message: CoreMessage) -> None:
        counts.received += 1
        try:
            queue.put_nowait(message)
        except asyncio.QueueFull:
            counts.dropped += 1

    async with AsyncExitStack() as subscriptions:
        for pattern in patterns:
            await subscriptions.enter_async_context(connection.subscribe(pattern, take))
        await connection.client.flush()
        task = asyncio.create_task(_work(connection, router, queue, counts), name="routing")
        try:
            yield counts
        finally:
            task.cancel()
            await asyncio.wait({task})


def _check(router: SubjectRouter, patterns: Sequence[str]) -> None:
    for pattern in patterns:
        check_pattern(pattern)
        decision = router.permissions.decide(Act.SUBSCRIBE, pattern) if router.permissions else None
        if decision is not None and not decision.is_allowed:
            raise PermissionDenied(f"{pattern} may not be subscribed to ({decision.rule}); listen to what is permitted.")
    for one, other in combinations(patterns, 2):
        if overlaps(one, other):
            raise InvalidInput(f"{one} and {other} overlap, so that a message would be routed twice; listen to patterns that do not.")


async def _work(connection: Connection, router: SubjectRouter, queue: asyncio.Queue[CoreMessage], counts: Listening) -> None:
    while True:
        message = await queue.get()
        try:
            results = await router.route(
                NatsMessage(subject=message.subject, payload=message.data, headers=parse_headers(message.raw_headers))
            )
            if message.reply:
                await connection.publish(message.reply, results[0].answer)
        except (NoRoute, PermissionDenied) as error:
            log.debug("a message was not routed: %s", error)
        except PersistenceError as error:
            counts.failed += 1
            log.warning("a message on %s failed: %s", message.subject, error)
        except Exception:
            counts.failed += 1
            log.exception("a message on %s failed", message.subject)
