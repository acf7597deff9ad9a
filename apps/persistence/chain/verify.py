"""This module is verification: of one aggregate, of all aggregates of a type, and of a whole stream or what is new in it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..errors import AggregateNotFound, FeatureUnavailable
from ..events import AggregateRef, now
from ..store import Store, get_stream, open_reader
from ..subjects import check_token
from . import scope, words
from .marks import Mark
from .reach import messages_by_version, newest_before
from .removals import confirmed_removals
from .tips import Tips
from .verdict import Progress, Verdict
from .walk import Walk

PROGRESS_SECONDS = 0.25

OnProgress = Callable[[Progress], Awaitable[None]]
ShouldStop = Callable[[], bool]


async def verify_aggregate(store: Store, ref: AggregateRef, *, on_progress: OnProgress | None = None) -> Verdict:
    """Verify one aggregate. It makes no consumer, so a page may call it. Raises AggregateNotFound where no event of it is stored."""
    _check_chained(store)
    with Tips() as tips:
        removals = await confirmed_removals(store, await get_stream(store.connection, store.layout.stream))
        walk = Walk(store.layout, tips, gaps_from=None, knows_start=True, removals=removals)
        run = _Run(walk=walk, on_progress=on_progress)
        async for messages in messages_by_version(store, ref):
            run.walk.walk(run.walk.look(messages))
            sequences = [message.sequence for message in messages]
            run.first, run.last = min([run.first or sequences[0], *sequences]), max([run.last, *sequences])
            await run.tell(sequences[-1])
    if not run.walk.checked:
        raise AggregateNotFound(f"{store.layout.stream} holds no event of {ref}, so there is nothing to verify; check its name.")
    return run.verdict(f"aggregate {ref}", store.layout.stream)


async def verify_type(
    store: Store, context: str, type: str, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None
) -> Verdict:
    """Verify all aggregates of a type, by reading the stream from its beginning. Raises AggregateNotFound where there is none."""
    _check_chained(store)
    name = f"{check_token(context, 'a context')}.{check_token(type, 'an aggregate type')}"
    info = await get_stream(store.connection, store.layout.stream)
    with Tips() as tips:
        walk = Walk(store.layout, tips, gaps_from=None, knows_start=True, removals=await confirmed_removals(store, info))
        run = _Run(walk=walk, first=max(1, info.first_sequence), last=info.last_sequence, on_progress=on_progress, should_stop=should_stop)
        await _read(store, run, patterns=(f"{store.layout.root}.{name}.>",))
    if not walk.checked:
        raise AggregateNotFound(f"{store.layout.stream} holds no event of {name}, so there is nothing to verify; check its name.")
    return run.verdict(f"all of {name}", store.layout.stream)


async def verify_stream(
    store: Store,
    *,
    from_sequence: int = 1,
    to_sequence: int | None = None,
    mark: Mark | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Verdict:
    """Verify every message from one sequence to another (default: the last there is now).

    From a later sequence than 1, the event before the first of each aggregate is looked up, so the links reach back. `mark` is what was
    verified before: a stream that ends before it is a finding. `should_stop` is asked after every batch; `on_progress` is awaited some
    times a second. Raises StreamNotFound, FeatureUnavailable for a layout without chains, ContinuityLost or Unavailable.
    """
    _check_chained(store)
    stream = store.layout.stream
    info = await get_stream(store.connection, stream)
    first = max(1, from_sequence)
    last = info.last_sequence if to_sequence is None else min(to_sequence, info.last_sequence)
    with Tips() as tips:
        removals = await confirmed_removals(store, info)
        walk = Walk(store.layout, tips, gaps_from=first, knows_start=first == 1, removals=removals)
        run = _Run(walk=walk, first=first, last=max(last, first - 1), on_progress=on_progress, should_stop=should_stop)
        run.reaches_end = last == info.last_sequence
        await _read(store, run)
    walk.finish(run.last)
    if mark is not None and mark.stream == stream and info.last_sequence < mark.sequence:
        walk.findings.add(words.describe_cut(stream, verified=mark.sequence, last=info.last_sequence))
    return run.verdict(f"{stream}, sequence {run.first:,} to {run.last:,}", stream, is_whole=True)


# -- one run of it ---------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Run:
    """A verification on its way through the sequences `first` to `last`, and whom it tells how far it is."""

    walk: Walk
    first: int = 0
    last: int = 0
    on_progress: OnProgress | None = None
    should_stop: ShouldStop | None = None
    is_stopped: bool = False
    reaches_end: bool = True
    started: datetime = field(default_factory=now)
    clock: float = field(default_factory=time.perf_counter)
    told: float = 0.0

    async def tell(self, sequence: int, *, at_once: bool = False) -> None:
        """Say how far it is, if somebody wants to know and it is time."""
        seconds = time.perf_counter() - self.clock
        if self.on_progress is None or not (at_once or seconds - self.told >= PROGRESS_SECONDS):
            return
        self.told = seconds
        await self.on_progress(
            Progress(
                checked=self.walk.checked,
                sequence=sequence,
                from_sequence=self.first,
                to_sequence=self.last,
                findings=self.walk.findings.count,
                seconds=seconds,
            )
        )

    def verdict(self, scope_text: str, stream: str, *, is_whole: bool = False) -> Verdict:
        findings, extent = self.walk.findings, scope.Extent.of(self.walk)
        whole = f"sequence {self.first:,} to {self.last:,}" if is_whole and self.last >= self.first else None
        return Verdict(
            scope=scope_text,
            stream=stream,
            is_whole_stream=is_whole,
            is_stopped=self.is_stopped,
            reaches_end=not self.is_stopped and self.reaches_end,
            from_sequence=self.first,
            to_sequence=self.last,
            checked=self.walk.checked,
            aggregates=self.walk.aggregates,
            known_before=self.walk.known_before,
            unnamed=self.walk.unnamed,
            findings=findings.kept,
            finding_count=findings.count,
            by_cause={cause: count for cause, count in findings.by_cause.items() if count},
            first_bad=findings.first(),
            removed=self.walk.recorded.removed,
            started=self.started,
            seconds=time.perf_counter() - self.clock,
            proves=scope.proves(extent, whole=whole),
            does_not_prove=scope.does_not_prove(extent, whole=is_whole, from_sequence=self.first if is_whole else 1),
        )


async def _read(store: Store, run: _Run, *, patterns: Sequence[str] = ()) -> None:
    """Walk through the stream as it is read; when stopped, `run.last` becomes the last sequence that was checked."""
    walk, position = run.walk, run.first - 1
    async with open_reader(
        store.connection, store.layout.stream, from_sequence=run.first, to_sequence=run.last, patterns=patterns
    ) as reader:
        async for messages in reader:
            items = walk.look(messages)
            unknown = walk.unknown(items)
            if unknown:
                for before in await newest_before(store, list(unknown.values()), run.first):
                    walk.seed(before.message, late=before.place if before.is_late else None)
            walk.walk(items)
            position = messages[-1].sequence
            await run.tell(position)
            if run.should_stop is not None and run.should_stop():
                run.is_stopped, run.last = True, position
                break
    await run.tell(run.last, at_once=True)


def _check_chained(store: Store) -> None:
    if not store.layout.is_chained:
        raise FeatureUnavailable(
            f"{store.layout.stream} is described by a {store.layout.kind} layout: its subjects say no versions, so there is no chain "
            f"to verify here{'; reading an aggregate checks its links' if store.layout.takes_events else ''}."
        )
