"""This module is a projection that is computed when somebody asks and remembered for a time: once for a key, however many ask at once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import InvalidInput

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Turn:
    """Who computes a key holds the lock; `askers` keeps it there while anybody needs it."""

    lock: asyncio.Lock
    askers: int = 0


class CachedProjection(Generic[K, V]):
    """Values by key, each good for `ttl_seconds`, at most `most` of them: the one that was not asked for longest goes first.

    A computation that fails is not remembered; the next asker computes. For one event loop. `hits` and `misses` count the answers.
    """

    def __init__(self, *, ttl_seconds: float, most: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        if ttl_seconds <= 0 or most < 1:
            raise InvalidInput(f"A cache of {most} values for {ttl_seconds} seconds holds nothing; give at least 1 value and some time.")
        self.hits = 0
        self.misses = 0
        self._ttl_seconds = ttl_seconds
        self._most = most
        self._clock = clock
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._turns: dict[K, _Turn] = {}

    def __len__(self) -> int:
        return len(self._values)

    async def get_or_compute(self, key: K, compute: Callable[[], Awaitable[V]]) -> V:
        """The remembered value, or what `compute` gives now. Raises whatever that raises."""
        found = self._find(key)
        if found is not None:
            return found[1]
        turn = self._turns.setdefault(key, _Turn(asyncio.Lock()))
        turn.askers += 1
        try:
            async with turn.lock:
                found = self._find(key)
                if found is not None:
                    return found[1]
                self.misses += 1
                value = await compute()
                self._remember(key, value)
                return value
        finally:
            turn.askers -= 1
            if not turn.askers:
                self._turns.pop(key, None)

    def forget(self, key: K) -> None:
        """Have it computed anew when it is asked for next, as after an event that changes it."""
        self._values.pop(key, None)

    def _find(self, key: K) -> tuple[float, V] | None:
        found = self._values.get(key)
        if found is None or found[0] <= self._clock():
            self._values.pop(key, None)
            return None
        self._values.move_to_end(key)
        self.hits += 1
        return found

    def _remember(self, key: K, value: V) -> None:
        self._values[key] = self._clock() + self._ttl_seconds, value
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
