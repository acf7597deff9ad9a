"""This module is the register of sources: async generators that yield the changed fragments of one topic."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.keeper import HOME

from .frames import Frame

Generator = Callable[[Any, str], AsyncGenerator[Sequence[Frame], None]]
"""Called with the kept store of the topic's connection (None if the source needs none) and its argument ("" if it has none)."""

_TOPIC = re.compile(r"(?:([A-Za-z0-9_-]{1,40})/)?([a-z][a-z-]{0,39})(?::([^\x00-\x1f\x7f]{1,300}))?")


class UnknownTopic(ValueError):
    """No source serves this topic, or the text is not a topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`permission` is what a person must have to look (None: be signed in); `needs_store` waits for NATS before starting.

    One that `observes` may look at any connection: its topics may begin with the name of an observed one and a slash.
    """

    name: str
    permission: str | None
    needs_store: bool
    generator: Generator
    observes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a topic's text says, such as `streams`, `stream:ORDERS`, or `berlin/stream:ORDERS` for an observed connection."""

    connection: str
    source: Source
    argument: str


SOURCES: dict[str, Source] = {}


def source(name: str, *, permission: str | None, needs_store: bool = True, observes: bool = False) -> Callable[[Generator], Generator]:
    """Register an async generator as the source of the topics `name` and `name:argument`."""

    def register(generator: Generator) -> Generator:
        assert name not in SOURCES or SOURCES[name].generator.__module__ == generator.__module__, f"two sources are named {name}"
        SOURCES[name] = Source(name=name, permission=permission, needs_store=needs_store, generator=generator, observes=observes)
        return generator

    return register


def topic_at(connection: str, topic: str) -> str:
    """The topic as it is said for a connection."""
    return topic if connection == HOME else f"{connection}/{topic}"


def parse_topic(topic: str) -> Topic:
    """The connection, source and argument of a topic. Raises UnknownTopic."""
    found = _TOPIC.fullmatch(topic)
    source = SOURCES.get(found[2]) if found else None
    if found is None or source is None:
        raise UnknownTopic(f"No live source serves {topic[:80]!r}; declare it with @source in the app's live.py.")
    if found[1] and not source.observes:
        raise UnknownTopic(f"{source.name} is looked at on the home connection alone, not as {topic[:80]!r}.")
    return Topic(connection=found[1] or HOME, source=source, argument=found[3] or "")


def source_of(topic: str) -> Source:
    """The source that serves `topic`. Raises UnknownTopic."""
    return parse_topic(topic).source
