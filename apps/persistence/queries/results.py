"""This module is what is held in memory for a while: plans, and results until the watch sees a change that could be in them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..read_models import QueryResult
from ..subjects import matches

T = TypeVar("T")
MAX_ROWS_HELD = 1000
"""Results with more rows are not held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCounts:
    """How often something was found; `invalidated` counts results that a change took out."""

    held: int
    hits: int
    misses: int
    invalidated: int = 0


class Memory(Generic[T]):
    """The newest `size` things by name, each for `ttl_seconds`."""

    def __init__(self, size: int, ttl_seconds: float) -> None:
        self.hits = 0
        self.misses = 0
        self.invalidated = 0
        self._size = size
        self._ttl_seconds = ttl_seconds
        self._held: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def find(self, name: str) -> T | None:
        """What is held under the name, counted as found or missed."""
        held = self._held.get(name)
        if held is None or time.monotonic() >= held[1]:
            self._held.pop(name, None)
            self.misses += 1
            return None
        self._held.move_to_end(name)
        self.hits += 1
        return held[0]

    def has(self, name: str) -> bool:
        """Whether something is held, without counting."""
        held = self._held.get(name)
        return held is not None and time.monotonic() < held[1]

    def hold(self, name: str, thing: T) -> None:
        """Hold it, and let go of the oldest where there is no room."""
        self._held[name] = thing, time.monotonic() + self._ttl_seconds
        self._held.move_to_end(name)
        while len(self._held) > self._size:
            self._held.popitem(last=False)

    def clear(self) -> None:
        """Let go of everything."""
        self.invalidated += len(self._held)
        self._held.clear()

    def counts(self) -> CacheCounts:
        """What it did."""
        return CacheCounts(held=len(self._held), hits=self.hits, misses=self.misses, invalidated=self.invalidated)


class ResultMemory(Memory[tuple[str, QueryResult]]):
    """Results with the patterns of their keys."""

    def hold_result(self, name: str, pattern: str, result: QueryResult) -> None:
        """Hold a result that is not too long."""
        if len(result.items) <= MAX_ROWS_HELD:
            self.hold(name, (pattern, result))

    def invalidate(self, keys: Iterable[str]) -> None:
        """Let go of every result that one of these keys could be in."""
        changed = list(keys)
        stale = [name for name, ((pattern, _), _) in self._held.items() if any(matches(pattern, key) for key in changed)]
        for name in stale:
            del self._held[name]
        self.invalidated += len(stale)
