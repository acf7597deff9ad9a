"""This module is the way from the hub's loop to the loop of the sockets: whatever is put within one turn crosses in one step."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class Crossing(Generic[T]):
    """Items for the queues of one loop, put from any other thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: deque[tuple[asyncio.Queue[T], T]] = deque()
        self._is_planned = False

    def put(self, queue: asyncio.Queue[T], item: T) -> None:
        """Put `item` into `queue` soon; nothing happens where the loop has ended."""
        self._items.append((queue, item))
        if self._is_planned:
            return
        self._is_planned = True
        try:
            self._loop.call_soon_threadsafe(self._hand_over)
        except RuntimeError:  # the loop is closed
            self._items.clear()

    def _hand_over(self) -> None:
        self._is_planned = False  # before the first is taken: what is put from now on plans its own crossing
        while self._items:
            queue, item = self._items.popleft()
            queue.put_nowait(item)


_crossings: WeakKeyDictionary[asyncio.AbstractEventLoop, Crossing[object]] = WeakKeyDictionary()


def crossing_to_here() -> Crossing[object]:
    """The crossing to the running loop; all its sockets share it."""
    loop = asyncio.get_running_loop()
    return _crossings.setdefault(loop, Crossing(loop))
