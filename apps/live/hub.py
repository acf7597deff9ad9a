"""This module is the one place in a web process that fans changed fragments out to browsers. It lives on one event loop.

A topic's source starts with its first browser and stops some seconds after the last has gone. Sockets talk to the hub through
`Subscriber`s, from the hub's own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from apps.keeper import HOME

from .feed import Feed
from .subscriber import INTERVAL_SECONDS, KEEPALIVE_SECONDS, STALLED_SECONDS, Subscriber

LINGER_SECONDS = 10.0
TURN_SECONDS = 0.05

STALLED = 4408


class Hub:
    """Keeps the newest frames of every topic that somebody looks at. `open_store` gives the store of a connection."""

    def __init__(self, open_store: Callable[[str], Awaitable[Any]], *, linger_seconds: float = LINGER_SECONDS) -> None:
        self._open_store = open_store
        self._linger_seconds = linger_seconds
        self._feeds: dict[str, Feed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._endings: dict[str, asyncio.TimerHandle] = {}
        self._subscribers: set[Subscriber] = set()
        self._group: asyncio.TaskGroup | None = None
        self._links: dict[str, Mapping[str, object]] = {}

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled; every source is a child of this call.

        Browsers are served in common turns: what has changed between two of them crosses to the sockets' loop in one step.
        """
        async with asyncio.TaskGroup() as group:
            self._group = group
            on_ready()
            while True:
                await asyncio.sleep(TURN_SECONDS)
                self._give_turns()

    @property
    def topics(self) -> Sequence[str]:
        """The topics whose sources run."""
        return tuple(self._feeds)

    def join(self, subscriber: Subscriber) -> None:
        """A new browser, which looks at nothing yet."""
        subscriber.sent_at = asyncio.get_running_loop().time() - INTERVAL_SECONDS
        self._note_link(subscriber)
        self._subscribers.add(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """The browser has gone."""
        self._subscribers.discard(subscriber)
        self._end_unwatched(subscriber.feeds)

    def look_at(self, subscriber: Subscriber, topics: Sequence[str], *, positions: dict[str, int], paused: frozenset[str]) -> None:
        """Show the browser these topics from now on, and no others. Raises UnknownTopic."""
        if subscriber not in self._subscribers:
            return
        before = subscriber.feeds
        subscriber.look_at({topic: self._feed(topic) for topic in topics}, positions=positions, paused=paused)
        self._note_link(subscriber)
        self._end_unwatched(before)
        self._give_turn_at_once(subscriber)

    def pause(self, subscriber: Subscriber, topic: str) -> None:
        """Hold a topic for this browser."""
        subscriber.pause(topic)
        self._give_turn_at_once(subscriber)

    def resume(self, subscriber: Subscriber, topic: str) -> None:
        """Let a topic go on for this browser."""
        subscriber.resume(topic)
        self._give_turn_at_once(subscriber)

    def tell_link(self, link: Mapping[str, object], connection: str = HOME) -> None:
        """Tell every browser that looks at a connection how it is: `link`, `since`, `attempts`."""
        self._links[connection] = link
        for subscriber in self._subscribers:
            if subscriber.connection == connection:
                subscriber.note_link(link)

    def _note_link(self, subscriber: Subscriber) -> None:
        subscriber.note_link(self._links.get(subscriber.connection, {"link": "connected"}))

    def _feed(self, topic: str) -> Feed:
        ending = self._endings.pop(topic, None)
        if ending is not None:
            ending.cancel()
        if topic not in self._feeds:
            assert self._group is not None, "the hub runs"
            feed = Feed(topic, self._changed, self._troubled)
            self._feeds[topic] = feed
            self._tasks[topic] = self._group.create_task(feed.run(self._open_store), name=f"live {topic}")
        return self._feeds[topic]

    def _end_unwatched(self, feeds: Mapping[str, Feed]) -> None:
        watched = {topic for subscriber in self._subscribers for topic in subscriber.feeds}
        loop = asyncio.get_running_loop()
        for topic in feeds.keys() - watched - self._endings.keys():
            self._endings[topic] = loop.call_later(self._linger_seconds, self._end, topic)

    def _end(self, topic: str) -> None:
        del self._endings[topic]
        del self._feeds[topic]
        self._tasks.pop(topic).cancel()

    def _changed(self, feed: Feed, ids: list[str]) -> None:
        for subscriber in self._subscribers:
            if feed.topic in subscriber.feeds:
                subscriber.note_change(feed, ids)

    def _troubled(self, feed: Feed) -> None:
        for subscriber in self._subscribers:
            if feed.topic in subscriber.feeds:
                self._note_link(subscriber)

    def _give_turns(self) -> None:
        now = asyncio.get_running_loop().time()
        for subscriber in list(self._subscribers):
            self._give_turn(subscriber, now)

    def _give_turn(self, subscriber: Subscriber, now: float) -> None:
        """What the browser lacks, or a word that we are here; one that never answers, or never asks, is let go."""
        silent = now - subscriber.sent_at
        if subscriber.owes_acknowledgement:
            if silent > STALLED_SECONDS:
                subscriber.wire.close(STALLED, "Nothing was acknowledged for a minute.")
        elif not subscriber.feeds:
            if silent > KEEPALIVE_SECONDS:
                subscriber.wire.close(STALLED, "Nothing was asked for.")
        elif silent >= INTERVAL_SECONDS and (subscriber.lacks_something or silent > KEEPALIVE_SECONDS):
            subscriber.sent_at = now
            subscriber.wire.send(subscriber.next_message())

    def _give_turn_at_once(self, subscriber: Subscriber) -> None:
        """A person who does something need not wait for the common turn."""
        if subscriber in self._subscribers:
            self._give_turn(subscriber, asyncio.get_running_loop().time())
