"""This module is the register of sources: async generators that yield the changed fragments of one topic."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .frames import Frame

Generator = Callable[[Any, str], AsyncGenerator[Sequence[Frame], None]]
"""Called with the kept home store (None if the source needs none) and the topic's argument ("" if it has none)."""

_TOPIC = re.compile(r"[a-z][a-z-]{0,39}(:[^\x00-\x1f\x7f]{1,300})?")


class UnknownTopic(ValueError):
    """No source serves this topic, or the text is not a topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`permission` is what a person must have to look (None: be signed in); `needs_store` waits for NATS before starting."""

    name: str
    permission: str | None
    needs_store: bool
    generator: Generator


SOURCES: dict[str, Source] = {}


def source(name: str, *, permission: str | None, needs_store: bool = True) -> Callable[[Generator], Generator]:
    """Register an async generator as the source of the topics `name` and `name:argument`."""

    def register(generator: Generator) -> Generator:
        assert name not in SOURCES or SOURCES[name].generator.__module__ == generator.__module__, f"two sources are named {name}"
        SOURCES[name] = Source(name=name, permission=permission, needs_store=needs_store, generator=generator)
        return generator

    return register


def source_of(topic: str) -> Source:
    """The source that serves `topic`. Raises UnknownTopic."""
    found = SOURCES.get(topic.partition(":")[0])
    if found is None or not _TOPIC.fullmatch(topic):
        raise UnknownTopic(f"No live source serves {topic!r}; declare it with @source in the app's live.py.")
    return found
