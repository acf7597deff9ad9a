"""This module is one running topic: its source, kept going, and the newest form of everything it has yielded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from apps.persistence.errors import PersistenceError

from .frames import Fragment, Frame, Refresh, Rows
from .sources import parse_topic
from .tail import Tail

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Feed:
    """The newest frames of one topic. `trouble` says why its source is down, and since when; it is None while the source runs."""

    __slots__ = ("_on_change", "_on_trouble", "argument", "connection", "encoded", "since", "source", "tails", "topic", "trouble")

    def __init__(self, topic: str, on_change: Callable[[Feed, list[str]], None], on_trouble: Callable[[Feed], None]) -> None:
        """Raises UnknownTopic."""
        parsed = parse_topic(topic)
        self.topic = topic
        self.connection, self.source, self.argument = parsed.connection, parsed.source, parsed.argument
        self.encoded: dict[str, str] = {}
        self.tails: dict[str, Tail] = {}
        self.trouble: str | None = None
        self.since = datetime.now(UTC)
        self._on_change = on_change
        self._on_trouble = on_trouble

    @property
    def ids(self) -> list[str]:
        """Every element that this topic has a frame for."""
        return [*self.encoded, *self.tails]

    @property
    def total(self) -> int:
        """How many events its tails have passed, shown or skipped."""
        return sum(tail.total for tail in self.tails.values())

    async def run(self, open_store: Callable[[str], Awaitable[Any]]) -> None:
        """Keep the source going until it returns by itself: then its last frames stay."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                store = await open_store(self.connection) if self.source.needs_store else None
                async with aclosing(self.source.generator(store, self.argument)) as batches:
                    await self._follow(batches)
                return
            except PersistenceError as error:
                reason = str(error)
            except Exception:
                logger.exception("the live source of %s failed", self.topic)
                reason = "The live source failed; the server's log has the details."
            if self.trouble is None:
                pause = FIRST_PAUSE_SECONDS
            self._set_trouble(reason)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def publish(self, batch: Sequence[Frame]) -> list[str]:
        """Take in frames; the ids of those that say something new."""
        return [frame.id for frame in batch if self._keep(frame)]

    def frame_for(self, id: str, position: int) -> str | None:
        """The newest frame of an element as JSON, for a browser whose tail has come as far as `position`."""
        tail = self.tails.get(id)
        return self.encoded.get(id) if tail is None else tail.after(position)

    async def _follow(self, batches: AsyncGenerator[Sequence[Frame], None]) -> None:
        async for batch in batches:
            self._set_trouble(None)
            changed = self.publish(batch)
            if changed:
                self._on_change(self, changed)

    def _keep(self, frame: Frame) -> bool:
        if isinstance(frame, Rows):
            return self._keep_rows(frame)
        assert isinstance(frame, Fragment | Refresh), f"{self.topic} yielded {type(frame).__name__}"
        encoded = frame.to_json()
        is_new = self.encoded.get(frame.id) != encoded
        self.encoded[frame.id] = encoded
        return is_new

    def _keep_rows(self, frame: Rows) -> bool:
        tail = self.tails.get(frame.id)
        if tail is not None:
            return tail.extend(frame)
        self.tails[frame.id] = Tail(frame)
        return True

    def _set_trouble(self, reason: str | None) -> None:
        if (reason is None) != (self.trouble is None):
            self.since = datetime.now(UTC)
        if reason != self.trouble:
            self.trouble = reason
            self._on_trouble(self)
