"""This module is the tree of a stream's subjects, one level at a time: never all subjects at once, however many there are.

A part with few messages is listed by the server. A part with many is sampled: single messages spread over the stream name the tokens
there are, each of which is then counted exactly; what no sample met is counted together.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from apps.persistence.errors import InvalidInput
from apps.persistence.store import Store, StreamInfo, get_stream, read_batch, subjects_matching
from apps.persistence.subjects import check_pattern

LISTED_MESSAGES = 20_000
SHOWN_BRANCHES = 200
SAMPLES = 24
SAMPLE_SIZE = 25
RARE_SAMPLES = 4
AT_ONCE = 8
SECONDS = 2.0


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
        raise InvalidInput(f"{prefix[:80]!r} is a pattern; open one subject after the other, or filter the events by it.")
    stream = await get_stream(store.connection, name)
    prefix = prefix or _common_prefix(stream)
    return SubjectsPage(stream=stream, prefix=prefix, level=await read_level(store, stream, prefix))


async def read_level(store: Store, stream: StreamInfo, prefix: str) -> Level:
    """The tokens below a prefix."""
    pattern = f"{prefix}.>" if prefix else ">"
    if not stream.allows_direct:
        if stream.subject_count > LISTED_MESSAGES:
            return Level(prefix=prefix, branches=(), events=0, tokens=0, is_sampled=False, is_refused=True)
        return await _listed(store, stream, prefix, pattern)
    covers_all = pattern == ">" or stream.subjects == (pattern,)
    below = stream.messages if covers_all else await _count(store, stream, pattern)
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
    """The tokens of messages from all over the stream, each then counted; at most SHOWN_BRANCHES of them, and SECONDS long."""
    tokens = await _tokens_seen(store, stream, prefix)
    slots = asyncio.Semaphore(AT_ONCE)
    deadline = time.monotonic() + SECONDS

    async def count(token: str) -> Branch | None:
        subject = f"{prefix}.{token}" if prefix else token
        async with slots:
            if time.monotonic() > deadline:
                return None
            deeper, here = await _count(store, stream, f"{subject}.>"), await _count(store, stream, subject)
        return _branch(prefix, token, deeper + here, deeper > 0, here > 0)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(count(token)) for token in sorted(tokens)[:SHOWN_BRANCHES]]
    counted = [branch for task in tasks if (branch := task.result()) and branch.events]
    branches = tuple(sorted(counted, key=lambda branch: (-branch.events, branch.token)))
    return Level(prefix=prefix, branches=branches, events=below, tokens=len(tokens), is_sampled=True)


async def _tokens_seen(store: Store, stream: StreamInfo, prefix: str) -> set[str]:
    """The tokens after `prefix` of some messages evenly spread over the stream; where those hold none, of some that match."""
    first, last = max(stream.first_sequence, 1), stream.last_sequence
    start = len(prefix) + 1 if prefix else 0
    head = f"{prefix}." if prefix else ""
    slots = asyncio.Semaphore(AT_ONCE)

    async def read(sequence: int, limit: int, pattern: str) -> list[str]:
        async with slots:
            batch = await read_batch(store.connection, stream.name, from_sequence=sequence, limit=limit, pattern=pattern)
        return [message.subject for message in batch.messages if message.subject.startswith(head)]

    async def spread(places: int, limit: int, pattern: str) -> set[str]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read(first + (last - first) * place // places, limit, pattern)) for place in range(places)]
        return {subject[start:].partition(".")[0] for task in tasks for subject in task.result()}

    return await spread(SAMPLES, SAMPLE_SIZE, ">") or await spread(RARE_SAMPLES, SAMPLE_SIZE, f"{head}>")


def _branch(prefix: str, token: str, events: int, has_more: bool, is_subject: bool) -> Branch:
    subject = f"{prefix}.{token}" if prefix else token
    return Branch(token=token, subject=subject, events=events, has_more=has_more, is_subject=is_subject)


def _order(events: dict[str, int], limit: int) -> Iterable[str]:
    """Those with most events first, then by name."""
    return sorted(events, key=lambda token: (-events[token], token))[:limit]
