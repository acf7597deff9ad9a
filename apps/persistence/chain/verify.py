"""This module is verification: of one aggregate, of all aggregates of a type, and of a whole stream or what is new in it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..errors import AggregateNotFound, FeatureUnavailable
from ..events import AggregateRef, now
from ..log.anchors import Anchors
from ..log.kept import find_log
from ..log.trust import Trust
from ..store import Store, StreamInfo, get_stream, open_reader
from ..subjects import check_token
from . import scope, words
from .expiry import expired_of
from .logged import Folded, LogReading
from .marks import Mark
from .reach import messages_by_version, newest_before
from .removal_runs import confirmed_removals
from .removals import Removal
from .standing import LogLayer, Read
from .tips import Tips
from .verdict import NOTHING_BESIDE, Beside, Cause, LogStanding, Progress, Verdict
from .walk import Walk

PROGRESS_SECONDS = 0.25
_TRIES = 3
_OWN_FAULTS = frozenset({Cause.CONTENT_CHANGED, Cause.UNDECODABLE, Cause.MISPLACED, Cause.DUPLICATE_VERSION})

OnProgress = Callable[[Progress], Awaitable[None]]
ShouldStop = Callable[[], bool]
LookBeside = Callable[[Collection[Cause]], Awaitable[Beside]]


async def verify_aggregate(store: Store, ref: AggregateRef, *, on_progress: OnProgress | None = None) -> Verdict:
    """Verify one aggregate. It makes no consumer, so a page may call it. Raises AggregateNotFound where no event of it is stored."""
    _check_chained(store)
    with Tips() as tips:
        info = await get_stream(store.connection, store.layout.stream)
        walk = Walk(store.layout, tips, gaps_from=None, knows_start=True, removals=await confirmed_removals(store, info))
        await _look_at_limits(store, walk, info)
        run = _Run(walk=walk, on_progress=on_progress)
        async for messages in messages_by_version(store, ref):
            run.walk.walk(run.walk.look(messages))
            sequences = [message.sequence for message in messages]
            run.first, run.last = min([run.first or sequences[0], *sequences]), max([run.last, *sequences])
            await run.tell(sequences[-1])
        walk.finish(run.last)
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
        await _look_at_limits(store, walk, info)
        run = _Run(walk=walk, first=max(1, info.first_sequence), last=info.last_sequence, on_progress=on_progress, should_stop=should_stop)
        await _read(store, run, patterns=(f"{store.layout.root}.{name}.>",))
        walk.finish(run.last)
    if not walk.checked:
        raise AggregateNotFound(f"{store.layout.stream} holds no event of {name}, so there is nothing to verify; check its name.")
    return run.verdict(f"all of {name}", store.layout.stream)


async def verify_stream(
    store: Store,
    *,
    from_sequence: int = 1,
    to_sequence: int | None = None,
    mark: Mark | None = None,
    trust: Trust | None = None,
    anchors: Anchors | None = None,
    beside: LookBeside | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Verdict:
    """Verify every message from one sequence to another (default: the last there is now).

    From a later sequence than 1, the event before the first of each aggregate is looked up, so the links reach back. `mark` is what was
    verified before: a stream that ends before it is a finding. With `trust` the stream is held against its log as well, and the log against
    everybody who stands for it; with `anchors`, read before, against those; `beside` is asked at the end, with the causes found so far.
    `should_stop` is asked after every batch; `on_progress` is awaited some times a second. Raises StreamNotFound, FeatureUnavailable for a
    layout without chains, ContinuityLost or Unavailable.
    """
    _check_chained(store)
    for attempt in range(_TRIES):
        layer = await LogLayer.begin(store, anchors=anchors, trust=trust, mark=mark) if anchors is not None or trust is not None else None
        info = await get_stream(store.connection, store.layout.stream)
        removals = await confirmed_removals(store, info)
        first = max(1, from_sequence)
        last = info.last_sequence if to_sequence is None else min(to_sequence, info.last_sequence)
        with Tips() as tips:
            walk = Walk(store.layout, tips, gaps_from=first, knows_start=first == 1, removals=removals)
            run = _Run(walk=walk, first=first, last=max(last, first - 1), on_progress=on_progress, should_stop=should_stop)
            run.reaches_end = last == info.last_sequence
            run.beside, run.mark = beside, mark if mark is not None and mark.stream == store.layout.stream else None
            verdict = await _verify_whole(store, run, layer, mark=mark, info=info)
        if verdict.intact or attempt == _TRIES - 1 or not await _was_changed(store, info, removals):
            return verdict
    raise AssertionError("the last attempt returns")


async def verify_range(
    store: Store, *, from_sequence: int, to_sequence: int, sizes: Sequence[int] = (), on_progress: OnProgress | None = None
) -> Verdict:
    """Verify a range for `stitch`, which judges the whole: its tree is folded, also as it is at these sizes, and compared with the log."""
    _check_chained(store)
    stream = store.layout.stream
    state, _ = await find_log(store.connection, stream, leader=True)
    info = await get_stream(store.connection, stream)
    with Tips() as tips:
        knows_start = from_sequence == 1
        removals = await confirmed_removals(store, info)
        walk = Walk(store.layout, tips, gaps_from=from_sequence, knows_start=knows_start, removals=removals)
        run = _Run(walk=walk, first=from_sequence, last=min(to_sequence, info.last_sequence), on_progress=on_progress)
        logged = state.size if state else 0
        reading = LogReading(store.connection, stream, first=from_sequence, logged=logged, cuts=sizes)
        await _read(store, run, reading=reading)
        walk.finish(run.last)
        folded = await reading.finish(run.last)
        return run.verdict(f"{stream}, sequence {run.first:,} to {run.last:,}", stream, is_whole=True, folded=folded)


async def _verify_whole(store: Store, run: _Run, layer: LogLayer | None, *, mark: Mark | None, info: StreamInfo) -> Verdict:
    """One reading of a stream, and what its log says to it."""
    walk, stream = run.walk, store.layout.stream
    reading = layer.reading(run.first) if layer else None
    await _read(store, run, reading=reading)
    walk.finish(run.last)
    standing, folded = None, None
    if layer is not None and reading is not None:
        folded = await reading.finish(run.last)
        blamed = {finding.sequence for finding in walk.findings.kept if finding.sequence is not None and finding.cause in _OWN_FAULTS}
        blamed |= {walk.first_empty} if walk.first_empty else set()
        read = Read(folded=folded, first=run.first, last=run.last, end=info.last_sequence, blamed=blamed, removals=walk.removals)
        standing = await layer.judge(read)
        for finding in layer.findings:
            walk.findings.add(finding)
    elif mark is not None and mark.stream == stream and info.last_sequence < mark.sequence:
        walk.findings.add(words.describe_cut(stream, verified=mark.sequence, last=info.last_sequence))
    scope_text = f"{stream}, sequence {run.first:,} to {run.last:,}"
    said = await run.beside([cause for cause, count in walk.findings.by_cause.items() if count]) if run.beside else NOTHING_BESIDE
    for finding in said.findings:
        walk.findings.add(finding)
    return run.verdict(scope_text, stream, is_whole=True, log=standing, folded=folded, said=said)


async def _was_changed(store: Store, info: StreamInfo, removals: Sequence[Removal]) -> bool:
    """Whether something was removed from the stream, on purpose or by its limits, while it was verified: then faults may be none."""
    after = await get_stream(store.connection, store.layout.stream)
    if (after.first_sequence, after.created) != (info.first_sequence, info.created):
        return True
    return {removal.run_id for removal in await confirmed_removals(store, after)} != {removal.run_id for removal in removals}


# -- one run of it ---------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Run:
    """A verification on its way through the sequences `first` to `last`, and whom it tells how far it is."""

    walk: Walk
    first: int = 0
    last: int = 0
    on_progress: OnProgress | None = None
    should_stop: ShouldStop | None = None
    beside: LookBeside | None = None
    mark: Mark | None = None
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

    def verdict(
        self,
        scope_text: str,
        stream: str,
        *,
        is_whole: bool = False,
        log: LogStanding | None = None,
        folded: Folded | None = None,
        said: Beside = NOTHING_BESIDE,
    ) -> Verdict:
        findings = self.walk.findings
        extent = scope.Extent.of(self.walk, log, first=self.first if is_whole else 1, mark=self.mark)
        bad = self.walk.first_bad
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
            proves=(*scope.proves(extent, whole=whole), *said.proves),
            does_not_prove=(
                *scope.does_not_prove(extent, whole=is_whole, from_sequence=self.first if is_whole else 1),
                *said.does_not_prove,
            ),
            intact_to=self.last if not findings.count else bad - 1 if bad else self.first - 1,
            rests_on=self.walk.rests_on(bad) if is_whole and bad and self.first <= bad <= self.last else None,
            log=log,
            folded=folded,
        )


async def _read(store: Store, run: _Run, *, patterns: Sequence[str] = (), reading: LogReading | None = None) -> None:
    """Walk through the stream as it is read; when stopped, `run.last` becomes the last sequence that was checked."""
    walk, position = run.walk, run.first - 1
    async with open_reader(
        store.connection, store.layout.stream, from_sequence=run.first, to_sequence=run.last, patterns=patterns
    ) as reader:
        async for messages in reader:
            if position < run.first and messages[0].sequence > run.first:
                await _look_at_limits(store, walk)
            items = walk.look(messages)
            unknown = walk.unknown(items)
            if unknown:
                for before in await newest_before(store, list(unknown.values()), run.first):
                    walk.seed(before.message, late=before.place if before.is_late else None)
            walk.walk(items)
            if reading is not None:
                await reading.take(items)
            position = messages[-1].sequence
            await run.tell(position)
            if run.should_stop is not None and run.should_stop():
                run.is_stopped, run.last = True, position
                break
    if position < run.first <= run.last:
        await _look_at_limits(store, walk)
    await run.tell(run.last, at_once=True)


async def _look_at_limits(store: Store, walk: Walk, info: StreamInfo | None = None) -> None:
    """The stream begins later than the reading: perhaps its limits removed what was there."""
    expired = await expired_of(store, info or await get_stream(store.connection, store.layout.stream))
    if expired is not None:
        walk.expire(expired)


def _check_chained(store: Store) -> None:
    if not store.layout.is_chained:
        raise FeatureUnavailable(
            f"{store.layout.stream} is described by a {store.layout.kind} layout: its subjects say no versions, so there is no chain "
            f"to verify here{'; reading an aggregate checks its links' if store.layout.takes_events else ''}."
        )
