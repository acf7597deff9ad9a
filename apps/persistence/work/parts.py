"""This module is a run that splits its work: parts that any worker takes up, kept apart from one another and stitched at the end.

    results = await in_parts(store, progress, [part, …])         in `run`; a part is a value that says what to do
    async def run_part(self, store, registry, part, progress)    of the operation; does one part and returns its result, a value

A part lies in the bucket `cim-parts` as a work item, under `{run}.todo.{number}`; how far it is under `.at.`, its result under `.done.`.
Workers share a durable consumer on the items. What was done stays done when the run is interrupted, and a part whose worker dies is taken
up by another, from the part's own checkpoint. A part may be done twice at the same time (a worker that was only slow), so it must always
have the same result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import InvalidState, RevisionConflict, StreamNotFound
from ..store import Connection, Store, ensure_bucket, kv_get, kv_get_many, kv_keys, kv_put
from .operation import Progress

PARTS_BUCKET = "cim-parts"
LOOK_SECONDS = 0.5
REST_SECONDS = 0.1
MAX_PARTS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PartKey:
    """One part of a run, by its number."""

    run_id: str
    number: int

    def __str__(self) -> str:
        return self.named("todo")

    def named(self, kind: str) -> str:
        """Its key for `todo`, `at` or `done`."""
        return f"{self.run_id}.{kind}.{self.number:06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """What became of a part: a value, or `error`, a sentence. `failed` holds items that could not be done: item, reason, link."""

    value: Value
    done: int
    worker: str
    error: str = ""
    failed: tuple[tuple[str, str, str], ...] = ()

    def to_bytes(self) -> bytes:
        failed: list[Value] = [list(one) for one in self.failed]
        return encode({"value": self.value, "done": self.done, "worker": self.worker, "error": self.error, "failed": failed})


async def in_parts(store: Store, progress: Progress, parts: Sequence[Value], *, total: int) -> list[Value]:
    """Have all parts done by whichever workers there are, and return their results in order. `total` is what the parts report in sum.

    Called again after an interruption with the same parts, it goes on with those that are not done. Raises RunInterrupted, and
    InvalidState where a part could not be done.
    """
    if len(parts) > MAX_PARTS:
        raise InvalidState(f"{len(parts):,} parts are more than {MAX_PARTS:,}; make them larger.")
    await ensure_parts(store.connection)
    gathering = _Gathering(connection=store.connection, progress=progress, parts=parts, total=total)
    changed = asyncio.Event()
    async with store.connection.subscribe(f"$KV.{PARTS_BUCKET}.{progress.run_id}.>", lambda _message: changed.set()):
        while not await gathering.look():
            changed.clear()
            await asyncio.sleep(REST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await changed.wait()
    return gathering.values()


async def ensure_parts(connection: Connection) -> None:
    """Make the bucket of parts if it is not there."""
    await ensure_bucket(connection, PARTS_BUCKET)


async def forget_parts(connection: Connection, run_id: str) -> None:
    """Remove what is kept of a run's parts, after its end."""
    with suppress(StreamNotFound):
        await connection.api(
            f"STREAM.PURGE.KV_{PARTS_BUCKET}", {"filter": f"$KV.{PARTS_BUCKET}.{run_id}.>"}, stream=f"KV_{PARTS_BUCKET}", timeout=10
        )


async def find_result(connection: Connection, key: PartKey) -> PartResult | None:
    """What became of a part, or None while it is not done."""
    entry = await kv_get(connection, PARTS_BUCKET, key.named("done"))
    return _read_result(entry.value) if entry else None


def _read_result(value: bytes) -> PartResult:
    fields = cast("dict[str, Value]", decode(value))
    return PartResult(
        value=fields["value"],
        done=cast(int, fields["done"]),
        worker=cast(str, fields["worker"]),
        error=cast(str, fields["error"]),
        failed=tuple(cast("tuple[str, str, str]", tuple(one)) for one in cast("list[list[str]]", fields["failed"])),
    )


class _Gathering:
    """The parts of one run as they come in."""

    def __init__(self, *, connection: Connection, progress: Progress, parts: Sequence[Value], total: int) -> None:
        self._connection = connection
        self._progress = progress
        self._parts = parts
        self._total = total
        self._keys = [PartKey(run_id=progress.run_id, number=number) for number in range(len(parts))]
        self._results: dict[int, PartResult] = {}

    async def look(self) -> bool:
        """Take what has come, put in what nobody has been given yet, say how far all is; whether everything is done."""
        there = set(await kv_keys(self._connection, PARTS_BUCKET, prefix=self._progress.run_id))
        await self._take([key for key in self._keys if key.number not in self._results and key.named("done") in there])
        open_keys = [key for key in self._keys if key.number not in self._results]
        for key in open_keys:
            if key.named("todo") not in there:
                await self._give_out(key)
        at_work = await self._at_work([key for key in open_keys if key.named("at") in there])
        done = sum(result.done for result in self._results.values()) + at_work
        await self._progress.report(done, max(done, self._total), checkpoint=self._progress.checkpoint, force=not open_keys)
        return not open_keys

    def values(self) -> list[Value]:
        return [self._results[key.number].value for key in self._keys]

    async def _take(self, keys: Sequence[PartKey]) -> None:
        found = await kv_get_many(self._connection, PARTS_BUCKET, [key.named("done") for key in keys]) if keys else {}
        for key in keys:
            entry = found.get(key.named("done"))
            if entry is None:
                continue
            result = self._results[key.number] = _read_result(entry.value)
            if result.error:
                raise InvalidState(f"Part {key.number + 1} of {len(self._parts)} could not be done: {result.error}")
            self._progress.log(f"part {key.number + 1} of {len(self._parts)} done by {result.worker}")
            for item, reason, link in result.failed:
                self._progress.fail(item, reason, link)

    async def _give_out(self, key: PartKey) -> None:
        with suppress(RevisionConflict):  # an earlier attempt of this run has done so
            await kv_put(self._connection, PARTS_BUCKET, str(key), encode({"part": self._parts[key.number]}), expected_revision=0)

    async def _at_work(self, keys: Sequence[PartKey]) -> int:
        found = await kv_get_many(self._connection, PARTS_BUCKET, [key.named("at") for key in keys]) if keys else {}
        return sum(cast(int, cast("dict[str, Value]", decode(entry.value))["done"]) for entry in found.values())
