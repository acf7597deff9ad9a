"""This module is comparing two builds of a projection, model by model, before readers are switched from one to the other.

Both are fed while they are compared, so what one look leaves open is looked at again: a model counts once both builds have applied
whatever changed it last in either of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from blake3 import blake3

from ..encoding import Value, decode, encode
from ..errors import ProjectionFailed, RevisionConflict
from ..events import now
from ..store import Connection, Message, Store, last_of_each, open_reader, to_entry
from .control import change_record, hold_feeds, read_record, release_feeds
from .definition import Model, ProjectionDefinition, bucket_of
from .fields import without_fields
from .models import POSITION_KEY, place_of, read_position
from .record import Comparison, ProjectionRecord
from .runner import Orders, run_projection

SAMPLES = 10
_ROUNDS = 6
_PAUSE_SECONDS = 0.15
_KEYS_PER_LOOK = 500
_LEVEL_TRIES = 5

Verdict = Literal["equal", "expected", "different", "only in one", "only in other"]
OnLook = Callable[[str], Awaitable[None]]
"""Told what is being done, at least every few seconds; what it raises ends the comparison."""


async def _unheard(_words: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class _Seen:
    """A model as one build has it: the event that changed it last, and what it holds, with and without the fields that may differ."""

    sequence: int
    whole: bytes
    reduced: bytes


@dataclass(slots=True)
class _Tally:
    """What is known so far. `open` are keys that no look has settled, each with how far the builds were when it was looked at."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    samples: dict[Verdict, list[str]] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)

    def settle(self, key: str, verdict: Verdict) -> None:
        self.open.pop(key, None)
        self.counts[verdict] += 1
        if verdict != "equal":
            self.samples.setdefault(verdict, []).append(key)


async def compare_builds(
    store: Store, definition: ProjectionDefinition, *, one: int, other: int, fields: Sequence[str] = (), on_look: OnLook = _unheard
) -> Comparison:
    """Compare all models of two builds. Models that differ only in `fields` (see `fields`) count as expected.

    Where models change faster than they can be looked at, feeding rests for a moment and both builds are brought to the same event.
    Raises StreamNotFound where a build was dropped.
    """
    tally = await _first_look(store.connection, definition.name, one, other, fields, on_look)
    for _ in range(_ROUNDS):
        if not tally.open:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
        await _look_again(store.connection, definition.name, (one, other), fields, tally, on_look)
    if tally.open:
        async with _levelled(store, definition, (one, other)):
            await _look_again(store.connection, definition.name, (one, other), fields, tally, on_look)
    return _comparison(tally, one, other, fields)


async def keep_comparison(connection: Connection, name: str, comparison: Comparison) -> ProjectionRecord:
    """Note a comparison on the build that readers do not have yet."""

    def keep(record: ProjectionRecord) -> ProjectionRecord:
        return record.with_build(replace(record.build(comparison.other), comparison=comparison))

    return await change_record(connection, name, keep)


async def _first_look(connection: Connection, name: str, one: int, other: int, fields: Sequence[str], on_look: OnLook) -> _Tally:
    """Read both builds whole; what was changed last by the same event in both is settled."""
    mine = await _read_all(connection, bucket_of(name, one), fields, on_look)
    theirs = await _read_all(connection, bucket_of(name, other), fields, on_look)
    tally = _Tally()
    for key in mine.keys() | theirs.keys():
        a, b = mine.get(key), theirs.get(key)
        if a is not None and b is not None and a.sequence == b.sequence:
            tally.settle(key, _judge(a, b))
        else:
            tally.open[key] = 0
    return tally


async def _look_again(
    connection: Connection, name: str, builds: tuple[int, int], fields: Sequence[str], tally: _Tally, on_look: OnLook
) -> None:
    """Look at the open models of both builds, and settle those that can be settled now."""
    keys = sorted(tally.open)
    for start in range(0, len(keys), _KEYS_PER_LOOK):
        part = keys[start : start + _KEYS_PER_LOOK]
        mine, my_position = await _look(connection, bucket_of(name, builds[0]), part, fields)
        theirs, their_position = await _look(connection, bucket_of(name, builds[1]), part, fields)
        await on_look(f"looks again at {len(keys):,} models that change")
        for key in part:
            _settle(tally, key, (mine.get(key), theirs.get(key)), (my_position, their_position))


def _settle(tally: _Tally, key: str, seen: tuple[_Seen | None, _Seen | None], positions: tuple[int, int]) -> None:
    """Both builds are at the same event, or neither model was changed since the event that both have applied.

    A model that is only in one may have been deleted or made since in the other: that shows once both are past where they were.
    """
    a, b = seen
    reached = min(positions)
    newest = max(a.sequence if a else 0, b.sequence if b else 0)
    is_level = positions[0] == positions[1]
    is_past = 0 < tally.open[key] <= reached
    if not is_level and (newest > reached or ((a is None or b is None) and not is_past)):
        tally.open[key] = tally.open[key] or max(positions)
    elif a is None and b is None:
        tally.open.pop(key)
    else:
        tally.settle(key, _judge(a, b))


def _judge(a: _Seen | None, b: _Seen | None) -> Verdict:
    if a is None:
        return "only in other"
    if b is None:
        return "only in one"
    if a.whole == b.whole:
        return "equal"
    return "expected" if a.reduced == b.reduced else "different"


async def _read_all(connection: Connection, bucket: str, fields: Sequence[str], on_look: OnLook) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    async with open_reader(connection, f"KV_{bucket}") as reader:
        async for messages in reader:
            await on_look(f"reads {bucket}")
            _collect(found, bucket, messages, fields)
    return found


async def _look(connection: Connection, bucket: str, keys: Iterable[str], fields: Sequence[str]) -> tuple[dict[str, _Seen], int]:
    """These models of a build, and the position that they were read at."""
    subjects = [f"$KV.{bucket}.{key}" for key in (*keys, POSITION_KEY)]
    messages = await last_of_each(connection, f"KV_{bucket}", subjects)
    found: dict[str, _Seen] = {}
    position = _collect(found, bucket, messages, fields)
    return found, position


def _collect(found: dict[str, _Seen], bucket: str, messages: Iterable[Message], fields: Sequence[str]) -> int:
    """Enter the models in these messages, and return the newest position among them, or 0."""
    position = 0
    for message in messages:
        entry = to_entry(bucket, message)
        if entry.key == POSITION_KEY:
            position = cast("dict[str, int]", decode(entry.value))["sequence"]
        elif entry.operation != "put":
            found.pop(entry.key, None)
        else:
            found[entry.key] = _see(cast("dict[str, Value]", decode(entry.value)), fields)
    return position


def _see(value: Mapping[str, Value], fields: Sequence[str]) -> _Seen:
    metadata, model = cast("dict[str, int]", value["metadata"]), cast(Model, value["model"])
    whole = blake3(encode(model)).digest()
    reduced = blake3(encode(without_fields(model, fields))).digest() if fields else whole
    return _Seen(metadata["last_event_position"], whole, reduced)


@asynccontextmanager
async def _levelled(store: Store, definition: ProjectionDefinition, builds: tuple[int, int]) -> AsyncIterator[None]:
    """Have both builds rest at the same event for as long as the block lasts; one that has stopped stays where it is."""
    await hold_feeds(store.connection, definition.name)
    try:
        record = await read_record(store.connection, definition.name)
        positions = [await read_position(store.connection, place_of(definition, build), leader=True) for build in builds]
        level = max(position.sequence for position in positions)
        for build in builds:
            await _bring_to(store, definition, record, build, level)
        yield
    finally:
        await release_feeds(store.connection, definition.name)


async def _bring_to(store: Store, definition: ProjectionDefinition, record: ProjectionRecord, build: int, level: int) -> None:
    """Apply what the build lacks up to `level`. A feed that is just ending may still write once."""
    if record.build(build).failure is not None or record.build(build).version != definition.version:
        return
    for _ in range(_LEVEL_TRIES):
        try:
            await run_projection(store, definition, build, Orders(until=level, skip=record.left_out(definition.generation)))
        except RevisionConflict:
            await asyncio.sleep(_PAUSE_SECONDS)
        except ProjectionFailed:
            return
        else:
            return


def _comparison(tally: _Tally, one: int, other: int, fields: Sequence[str]) -> Comparison:
    kinds: tuple[Verdict, ...] = ("different", "only in one", "only in other", "expected")
    samples = [(kind, key) for kind in kinds for key in sorted(tally.samples.get(kind, []))[:SAMPLES]]
    return Comparison(
        one=one,
        other=other,
        at=now(),
        equal=tally.counts["equal"],
        expected=tally.counts["expected"],
        different=tally.counts["different"],
        moved=len(tally.open),
        only_in_one=tally.counts["only in one"],
        only_in_other=tally.counts["only in other"],
        fields=tuple(fields),
        samples=tuple([*samples, *(("moved", key) for key in sorted(tally.open)[:SAMPLES])]),
    )
