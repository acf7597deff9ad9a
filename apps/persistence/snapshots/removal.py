"""This module is removing snapshots: counting exactly what would go, and removing just that. Events are never touched."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ..encoding import Cid
from ..errors import StreamNotFound
from ..events import AggregateRef
from ..store import Store, kv_keys, read_batch, to_entry
from .large import drop_all_states
from .snapshot import SNAPSHOTS_BUCKET, drop_unlinked, link_in

_STREAM = f"KV_{SNAPSHOTS_BUCKET}"
_SUBJECT = f"$KV.{SNAPSHOTS_BUCKET}."
_BATCH = 200
_BATCH_BYTES = 8 * 1024 * 1024
_EVERY_KEY = 2**62
EVERYTHING = ">"
"""The pattern of the keys of all aggregates; `sales.order.*` is that of a type, and an aggregate's name its own."""


class Written(NamedTuple):
    """One kept snapshot, without its state."""

    revision: int
    time: datetime
    size: int
    link: Cid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which snapshots of an aggregate go: all but the newest `keep`, and of those only what was written before `before`, if given."""

    keep: int = 0
    before: datetime | None = None

    def choose(self, written: Sequence[Written]) -> Sequence[Written]:
        """What of one aggregate's snapshots, oldest first, goes."""
        beyond = written[: max(0, len(written) - self.keep)]
        return [one for one in beyond if self.before is None or one.time < self.before]


@dataclass(slots=True, kw_only=True)
class Tally:
    """What goes, or went, of how many that are there. `is_whole` is False where there was no time to look at all."""

    aggregates: int = 0
    snapshots: int = 0
    bytes: int = 0
    there: int = 0
    is_whole: bool = True

    def add(self, written: Sequence[Written], gone: Sequence[Written]) -> None:
        self.there += len(written)
        self.aggregates += bool(gone)
        self.snapshots += len(gone)
        self.bytes += sum(one.size for one in gone)


async def tally_snapshots(store: Store, pattern: str, rule: Rule, *, seconds: float | None = None) -> Tally:
    """Count what the rule lets go under a pattern of keys, in at most `seconds` if given. States are read and left at once."""
    written: defaultdict[str, list[Written]] = defaultdict(list)
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    is_whole = False
    async for batch in _batches(store, pattern):
        for key, one in batch:
            written[key].append(one)
        if time.monotonic() > deadline:
            break
    else:
        is_whole = True
    found = Tally(is_whole=is_whole)
    for one_aggregate in written.values():
        found.add(one_aggregate, rule.choose(one_aggregate))
    return found


async def snapshot_keys(store: Store, pattern: str = EVERYTHING) -> list[str]:
    """The names of the aggregates that have snapshots, sorted."""
    if pattern != EVERYTHING and not pattern.endswith(".*"):
        return [pattern]
    try:
        return await kv_keys(
            store.connection, SNAPSHOTS_BUCKET, prefix=pattern.removesuffix(EVERYTHING).removesuffix(".*"), limit=_EVERY_KEY
        )
    except StreamNotFound:
        return []


async def prune_snapshots(store: Store, key: str, rule: Rule) -> Tally:
    """Remove what the rule lets go of one aggregate's snapshots. One that is taken meanwhile stays."""
    written = [one async for batch in _batches(store, key) for _, one in batch]
    gone = rule.choose(written)
    if gone:
        await _purge(store, {"filter": f"{_SUBJECT}{key}", "seq": gone[-1].revision + 1})
        await _drop_links(store, key, gone)
    tally = Tally()
    tally.add(written, gone)
    return tally


async def drop_snapshots(store: Store, pattern: str) -> int:
    """Remove every snapshot under a pattern of keys, and return how many messages went."""
    if pattern == EVERYTHING:
        purged = await _purge(store, {"filter": f"{_SUBJECT}{pattern}"})
        await drop_all_states(store.connection)
        return purged
    linked: defaultdict[str, list[Written]] = defaultdict(list)
    async for batch in _batches(store, pattern):
        for key, one in batch:
            if one.link:
                linked[key].append(one)
    purged = await _purge(store, {"filter": f"{_SUBJECT}{pattern}"})
    for key, gone in linked.items():
        await _drop_links(store, key, gone)
    return purged


async def _drop_links(store: Store, key: str, gone: Sequence[Written]) -> None:
    """Remove the states that lay apart and that no snapshot of the aggregate links to any more."""
    links = [one.link for one in gone if one.link]
    if links:
        await drop_unlinked(store, AggregateRef.parse(key), links)


async def _purge(store: Store, body: dict[str, str | int]) -> int:
    try:
        answer = await store.connection.api(f"STREAM.PURGE.{_STREAM}", body, stream=_STREAM, timeout=60)
    except StreamNotFound:
        return 0
    return int(answer["purged"])


async def _batches(store: Store, pattern: str) -> AsyncIterator[list[tuple[str, Written]]]:
    """What is kept under a pattern of keys, in the order in which it was written."""
    position: int | None = 1
    while position is not None:
        try:
            batch = await read_batch(
                store.connection, _STREAM, from_sequence=position, limit=_BATCH, pattern=f"{_SUBJECT}{pattern}", max_bytes=_BATCH_BYTES
            )
        except StreamNotFound:
            return
        entries = [to_entry(SNAPSHOTS_BUCKET, message) for message in batch.messages]
        yield [(one.key, Written(one.revision, one.time, len(one.value), link_in(one.value))) for one in entries if one.operation == "put"]
        position = batch.messages[-1].sequence + 1 if batch.messages and batch.pending else None
