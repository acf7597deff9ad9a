"""This module is the optimizer: it plans a query over a read model store, carries the plan out, and keeps account of both.

Its local index follows the bucket. Before a local strategy answers, the index must have come as far as the bucket was when the query
began; where it does not in time, the server is read instead, and the performance says so. So every strategy gives the same rows.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EncodingError, UnknownModelSchema
from ..read_models import BucketWatch, QueryOptions, QueryResult, ReadModelStore, Selection, StoredModel, key_pages, watching
from ..store import KvEntry, StreamInfo, get_last, kv_get_many
from ..subjects import matches
from .bounds import FieldIndex
from .local_index import LocalIndex
from .plan import LOCAL, IndexStrategy, QueryHint, QueryPlan, query_id
from .planner import access_of, cached, is_by_key, make_plan
from .report import Journal, PerformanceReport, QueryPerformance
from .results import Memory, ResultMemory
from .tables import Access

PLANS_HELD = 256
RESULTS_HELD = 256
_ALL = 2**62


@dataclass(kw_only=True)
class QueryOptimizer:
    """Plans and queries of one bucket. Made by `open_optimizer`. `skips_unreadable`: values that are no models are named, and no error."""

    store: ReadModelStore
    index: LocalIndex
    plans: Memory[QueryPlan]
    results: ResultMemory
    fresh_seconds: float
    skips_unreadable: bool = False
    watch: BucketWatch = field(init=False)
    _journal: Journal = field(default_factory=Journal)

    async def create_index(self, name: str, fields: Sequence[str], *, pattern: str = ">") -> FieldIndex:
        """A local index over these fields, in this order: filled from what there is, then kept. Raises InvalidInput."""
        made = FieldIndex(name=name, fields=tuple(fields), pattern=pattern)
        made.check_bounds()
        await self.index.add(made)
        self.plans.clear()
        return made

    async def drop_index(self, name: str) -> None:
        """Forget an index."""
        await self.index.drop(name)
        self.plans.clear()

    async def create_plan(self, options: QueryOptions, hint: QueryHint | None = None) -> QueryPlan:
        """How the query will be answered; held for a while. Raises InvalidInput where a hint asks for what cannot answer it."""
        wanted = hint or QueryHint()
        name = query_id(options, wanted)
        plan = self.plans.find(name)
        if plan is None:
            plan = await make_plan(self.index, options, wanted)
            self.plans.hold(name, plan)
        return cached(plan) if wanted.use_cache and self.watch.is_current and self.results.has(name) else plan

    async def execute_plan(self, plan: QueryPlan) -> tuple[QueryResult, QueryPerformance]:
        """The rows, and what it took. Raises as `ReadModelStore.query`."""
        started = time.perf_counter()
        strategy = plan.strategy
        result = self._held_result(plan)
        is_held = result is not None
        if result is None:
            position = self.watch.position
            selection, strategy = await self._find(plan)
            result = selection.result(execution_time_ms=(time.perf_counter() - started) * 1000)
            if plan.hint.use_cache and self.watch.is_current and self.watch.position == position:
                self.results.hold_result(plan.query_id, plan.options.pattern, result)
        performance = QueryPerformance(
            strategy=strategy,
            execution_time_ms=(time.perf_counter() - started) * 1000,
            subjects_scanned=0 if is_held else result.scanned,
            results_returned=len(result.items),
            cache_hit_rate=1.0 if is_held else 0.0,
            indexes_used=(plan.index,) if plan.index and strategy in LOCAL and not is_held else (),
        )
        self._journal.note(plan, performance)
        return result, performance

    async def query(self, options: QueryOptions, hint: QueryHint | None = None) -> QueryResult:
        """Plan the query and carry it out."""
        result, _ = await self.execute_plan(await self.create_plan(options, hint))
        return result

    async def report(self) -> PerformanceReport:
        """What happened since it was opened."""
        return PerformanceReport(
            queries=self._journal.queries,
            strategies=self._journal.strategies(),
            plans=self.plans.counts(),
            results=self.results.counts(),
            index=await self.index.figures(),
            slowest=tuple(self._journal.slowest),
        )

    async def on_bucket(self, info: StreamInfo) -> int:
        """Called by the watch."""
        changes = self.index.resets
        position = await self.index.on_bucket(info)
        if self.index.resets != changes:
            self.results.clear()
        return position

    async def on_changes(self, entries: list[KvEntry]) -> None:
        """Called by the watch."""
        await self.index.on_changes(entries)
        self.results.invalidate({entry.key for entry in entries})

    def _held_result(self, plan: QueryPlan) -> QueryResult | None:
        if not plan.hint.use_cache or not self.watch.is_current:
            return None
        held = self.results.find(plan.query_id)
        return held[1] if held else None

    async def _find(self, plan: QueryPlan) -> tuple[Selection, IndexStrategy]:
        """Look at the rows by the plan's strategy, or on the server where the index is too far behind."""
        selection = Selection(plan.options)
        if plan.strategy in LOCAL and await self._is_fresh():
            access = access_of(self.index, plan.options, plan.strategy, plan.index)
            if plan.strategy is IndexStrategy.KEY_PREFIX and is_by_key(plan.options):
                total = await self.index.count(access, at_most=_ALL)
                await asyncio.to_thread(self._take_page, selection, access, plan.options, total)
                return selection, plan.strategy
            await asyncio.to_thread(lambda: self._take(selection, self.index.rows(access)))
            return selection, plan.strategy
        if plan.strategy is IndexStrategy.KEY_VALUE:
            found = await self.store.find(plan.options.pattern)
            if found is not None:
                selection.add(found)
            return selection, plan.strategy
        strategy = IndexStrategy.SUBJECT_PATTERN if plan.strategy in LOCAL else plan.strategy
        pattern = ">" if strategy is IndexStrategy.FULL_SCAN else plan.options.pattern
        async for keys in key_pages(self.store.connection, self.store.bucket, pattern):
            entries = await kv_get_many(self.store.connection, self.store.bucket, keys)
            self._take(selection, entries.values())
        return selection, strategy

    def _take_page(self, selection: Selection, access: Access, options: QueryOptions, total: int) -> None:
        """The page alone, as the index has the keys in their order."""
        entries = self.index.rows(access, part=(options.limit, options.offset))
        selection.take_page([stored for entry in entries if (stored := self._read(selection, entry))], total=total)

    def _take(self, selection: Selection, entries: Iterable[KvEntry]) -> None:
        for entry in entries:
            stored = self._read(selection, entry) if matches(selection.pattern, entry.key) else None
            if stored is not None:
                selection.add(stored)
            else:
                selection.scanned += 1

    def _read(self, selection: Selection, entry: KvEntry) -> StoredModel | None:
        """The model; None where it is none and such are left out. Raises UnknownModelSchema or EncodingError where they are not."""
        try:
            return self.store.read(entry)
        except (UnknownModelSchema, EncodingError):
            if not self.skips_unreadable:
                raise
            selection.unreadable.append(entry.key)
            return None

    async def _is_fresh(self) -> bool:
        """Whether the index has, or gets in time, everything that the bucket has now."""
        bucket = self.store.bucket
        last = await get_last(self.store.connection, f"KV_{bucket}", f"$KV.{bucket}.>", leader=True)
        return last is None or await self.watch.wait_for(last.sequence, seconds=self.fresh_seconds)


@asynccontextmanager
async def open_optimizer(
    store: ReadModelStore,
    path: Path,
    *,
    result_ttl_seconds: float = 60.0,
    plan_ttl_seconds: float = 60.0,
    fresh_seconds: float = 5.0,
    on_open: Callable[[QueryOptimizer], None] | None = None,
) -> AsyncIterator[QueryOptimizer]:
    """Plan and answer queries by a local index in the file `path`, which goes on where it was. It is filled when the block begins.

    `on_open` is given the optimizer before that, to see how far `index.position` has come.
    Raises Conflict where another process uses the file, StreamNotFound where the bucket is missing.
    """
    index = LocalIndex(store, path)
    optimizer = QueryOptimizer(
        store=store,
        index=index,
        plans=Memory(PLANS_HELD, plan_ttl_seconds),
        results=ResultMemory(RESULTS_HELD, result_ttl_seconds),
        fresh_seconds=fresh_seconds,
    )
    await index.open()
    try:
        if on_open is not None:
            on_open(optimizer)
        async with watching(store.connection, store.bucket, optimizer) as watch:
            optimizer.watch = watch
            yield optimizer
    finally:
        await index.close()


def analyze_patterns(queries: Sequence[QueryOptions]) -> dict[str, float]:
    """The share that each pattern has of these queries, the largest first."""
    counts = Counter(query.pattern for query in queries)
    return {pattern: count / len(queries) for pattern, count in counts.most_common()}
