"""This module is one browser's side of the hub: what it looks at, what it lacks, and whether it may be sent more.

A browser is sent one message and no other until it has acknowledged it. Between, only the ids of what changed are kept: a stalled
browser costs one message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from apps.keeper import HOME

from .feed import Feed

INTERVAL_SECONDS = 0.25
KEEPALIVE_SECONDS = 10.0
STALLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The way to the browser; both may be called from the hub's loop, whatever loop the socket lives on."""

    send: Callable[[str], None]
    close: Callable[[int, str], None]


class Subscriber:
    """What one browser looks at. `number` is that of the last message; `sent_at` is when, by the hub's loop."""

    __slots__ = ("_acknowledged", "_dirty", "_link", "_link_is_news", "_paused_at", "feeds", "number", "positions", "sent_at", "wire")

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.feeds: dict[str, Feed] = {}
        self.positions: dict[str, int] = {}
        self.number = 0
        self._acknowledged = 0
        self.sent_at = 0.0
        self._dirty: dict[str, Feed] = {}
        self._paused_at: dict[str, int] = {}
        self._link: Mapping[str, object] = {}
        self._link_is_news = False

    @property
    def connection(self) -> str:
        """What its page looks at: an observed connection where one of its topics does, else home."""
        return next((feed.connection for feed in self.feeds.values() if feed.connection != HOME), HOME)

    @property
    def lacks_something(self) -> bool:
        """Whether there is anything to tell the browser now; one that looks at nothing lacks nothing."""
        has_news = self._link_is_news or any(feed.topic not in self._paused_at for feed in self._dirty.values())
        return has_news and bool(self.feeds)

    def look_at(self, feeds: dict[str, Feed], *, positions: dict[str, int], paused: frozenset[str]) -> None:
        """Begin with these topics, whatever came before: the page is new, and is told everything once."""
        self.feeds = feeds
        self.positions = dict(positions)
        self._paused_at = {topic: feeds[topic].total for topic in paused if topic in feeds}
        self._dirty = {id: feed for feed in feeds.values() for id in feed.ids}
        self._link_is_news = True

    def note_change(self, feed: Feed, ids: list[str]) -> None:
        """These elements of the feed have changed."""
        self._dirty.update(dict.fromkeys(ids, feed))
        if feed.topic in self._paused_at and feed.tails:
            self._link_is_news = True

    def note_link(self, link: Mapping[str, object]) -> None:
        """What to tell of the connection to NATS has changed."""
        self._link = link
        self._link_is_news = True

    def pause(self, topic: str) -> None:
        """Hold a topic where it is, counting what passes."""
        if topic in self.feeds:
            self._paused_at.setdefault(topic, self.feeds[topic].total)
            self._link_is_news = True

    def resume(self, topic: str) -> None:
        """Let a topic go on from where it was held."""
        self._paused_at.pop(topic, None)
        self._link_is_news = True

    @property
    def owes_acknowledgement(self) -> bool:
        """Whether a message is still under way."""
        return self._acknowledged < self.number

    def acknowledge(self, number: int) -> bool:
        """Note that a message is on the screen; an old number changes nothing. False for a number that was never sent.

        The one method for the socket's own thread, which alone writes this number: eight hundred crossings a second less.
        """
        if number > self.number:
            return False
        self._acknowledged = max(self._acknowledged, number)
        return True

    def next_message(self) -> str:
        """Everything the browser lacks, as one message that it must acknowledge."""
        frames = self._take_frames()
        self.number += 1
        self._link_is_news = False
        head = {"type": "frames", "n": self.number, "at": datetime.now(UTC).isoformat(), "state": self._state()}
        return f'{json.dumps(head)[:-1]}, "frames": [{", ".join(frames)}]}}'

    def _take_frames(self) -> list[str]:
        held = {id: feed for id, feed in self._dirty.items() if feed.topic in self._paused_at}
        ready = {id: feed for id, feed in self._dirty.items() if id not in held}
        self._dirty = held
        frames = [feed.frame_for(id, self.positions.get(id, -1)) for id, feed in ready.items()]
        for id, feed in ready.items():
            if id in feed.tails:
                self.positions[id] = feed.tails[id].last
        return [frame for frame in frames if frame is not None]

    def _state(self) -> dict[str, object]:
        return {
            "nats": dict(self._link),
            "trouble": {topic: feed.trouble for topic, feed in self.feeds.items() if feed.trouble},
            "waiting": {topic: self.feeds[topic].total - total for topic, total in self._paused_at.items()},
        }
