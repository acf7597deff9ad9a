"""This module is the tree of a stream's subjects, one level at a time: never all subjects at once, however many there are.

A part with few messages is listed by the server. A part with many is sampled: single messages spread over the stream name the tokens
there are, each of which is then counted exactly; what no sample met is counted together.
"""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from apps.persistence.errors import InvalidInput
from apps.persistence.store import Store, StreamInfo, get_next, get_stream, read_batch, subjects_matching
from apps.persistence.subjects import check_pattern

from .names import check_stream_name

LISTED_MESSAGES = 20_000
SHOWN_BRANCHES = 200
SAMPLES = 120
AT_ONCE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One token under a prefix: the subject so far, the events below and at it, and whether anything lies below."""

    token: str
    subject: str
    events: int
    has_more: bool
    is_subject: bool

    @property
    def pattern(self) -> str:
        """What matches its events: those at the subject itself where nothing lies below."""
        return f"{self.subject}.>" if self.has_more else self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The tokens under `prefix`, those with most events first. `events` counts all, those of tokens that are not shown included."""

    prefix: str
    branches: tuple[Branch, ...]
    events: int
    tokens: int
    is_sampled: bool
    is_refused: bool = False

    @property
    def unlisted(self) -> int:
        """Events below tokens that are not among the branches."""
        return max(0, self.events - sum(branch.events for branch in self.branches))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectsPage:
    """The levels from the top down to the one that was asked for."""

    stream: StreamInfo
    prefix: str
    level: Level


async def read_subjects(store: Store, name: str, prefix: str) -> SubjectsPage:
    """The level below `prefix` (empty: the top). Raises StreamNotFound, InvalidInput or Unavailable."""
    if prefix and (check_pattern(prefix) and any(token in ("*", ">") for token in prefix.split("."))):
        raise InvalidInput(f"{prefix!r} is a pattern; open one subject after the other, or filter the events by it.")
    stream = await get_stream(store.connection, check_stream_name(name))
    prefix = prefix or _common_prefix(stream)
    return SubjectsPage(stream=stream, prefix=prefix, level=await read_level(store, stream, prefix))


async def read_level(store: Store, stream: StreamInfo, prefix: str) -> Level:
    """The tokens below a prefix."""
    pattern = f"{prefix}.>" if prefix else ">"
    if not stream.allows_direct:
        if stream.subject_count > LISTED_MESSAGES:
            return Level(prefix=prefix, branches=(), events=0, tokens=0, is_sampled=False, is_refused=True)
        return await _listed(store, stream, prefix, pattern)
    below = await _count(store, stream, pattern)
    if below <= LISTED_MESSAGES or stream.subject_count <= LISTED_MESSAGES:
        return await _listed(store, stream, prefix, pattern)
    return await _sampled(store, stream, prefix, below)


def subjects_command(stream: str, prefix: str) -> str:
    """The same with the NATS command line."""
    pattern = f"{prefix}.>" if prefix else ">"
    return f"nats stream subjects {shlex.quote(stream)} --filter {shlex.quote(pattern)}"


def _common_prefix(stream: StreamInfo) -> str:
    """The tokens that every subject of the stream begins with, by its configuration alone; never a whole subject."""
    if len(stream.subjects) != 1:
        return ""
    tokens = stream.subjects[0].split(".")
    literal = list(takewhile(lambda token: token not in ("*", ">"), tokens))
    return ".".join(literal if len(literal) < len(tokens) else literal[:-1])


async def _count(store: Store, stream: StreamInfo, pattern: str) -> int:
    """How many messages match, as the server counts what comes after the first."""
    batch = await read_batch(store.connection, stream.name, from_sequence=1, limit=1, pattern=pattern)
    return len(batch.messages) + batch.pending


async def _listed(store: Store, stream: StreamInfo, prefix: str, pattern: str) -> Level:
    subjects = await subjects_matching(store.connection, stream.name, pattern)
    events: Counter[str] = Counter()
    deeper: set[str] = set()
    here: set[str] = set()
    start = len(prefix) + 1 if prefix else 0
    for subject, count in subjects.items():
        token, dot, _ = subject[start:].partition(".")
        events[token] += count
        (deeper if dot else here).add(token)
    shown = _order(events, SHOWN_BRANCHES)
    return Level(
        prefix=prefix,
        branches=tuple(_branch(prefix, token, events[token], token in deeper, token in here) for token in shown),
        events=events.total(),
        tokens=len(events),
        is_sampled=False,
    )


async def _sampled(store: Store, stream: StreamInfo, prefix: str, below: int) -> Level:
    """Messages spread evenly over the stream name tokens; each token is then counted."""
    pattern = f"{prefix}.>" if prefix else ">"
    slots = asyncio.Semaphore(AT_ONCE)
    first, last = max(stream.first_sequence, 1), stream.last_sequence

    async def sample(sequence: int) -> str | None:
        async with slots:
            found = await get_next(store.connection, stream.name, from_sequence=sequence, pattern=pattern)
        return found.subject if found else None

    async def count(token: str) -> tuple[str, int, int]:
        subject = f"{prefix}.{token}" if prefix else token
        async with slots:
            return token, await _count(store, stream, f"{subject}.>"), await _count(store, stream, subject)

    spread = sorted({first + (last - first) * step // (SAMPLES - 1) for step in range(SAMPLES)})
    async with asyncio.TaskGroup() as group:
        samples = [group.create_task(sample(sequence)) for sequence in spread]
    start = len(prefix) + 1 if prefix else 0
    tokens = {subject[start:].partition(".")[0] for task in samples if (subject := task.result())}
    async with asyncio.TaskGroup() as group:
        counts = [group.create_task(count(token)) for token in sorted(tokens)]
    counted = {token: (deeper, here) for token, deeper, here in (task.result() for task in counts)}
    shown = _order({token: deeper + here for token, (deeper, here) in counted.items()}, SHOWN_BRANCHES)
    return Level(
        prefix=prefix,
        branches=tuple(_branch(prefix, token, sum(counted[token]), counted[token][0] > 0, counted[token][1] > 0) for token in shown),
        events=below,
        tokens=len(tokens),
        is_sampled=True,
    )


def _branch(prefix: str, token: str, events: int, has_more: bool, is_subject: bool) -> Branch:
    subject = f"{prefix}.{token}" if prefix else token
    return Branch(token=token, subject=subject, events=events, has_more=has_more, is_subject=is_subject)


def _order(events: dict[str, int], limit: int) -> Iterable[str]:
    """Those with most events first, then by name."""
    return sorted(events, key=lambda token: (-events[token], token))[:limit]
