"""This module is how queries performed: one by one, and all of an optimizer together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .plan import IndexStrategy, QueryPlan
from .results import CacheCounts
from .tables import IndexFigures

_DURATIONS_KEPT = 1000
_SLOWEST_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPerformance:
    """What one query took. `strategy` is the one that was used, which is another than the plan's where the local index lagged too far.

    `cache_hit_rate` is 1 where the result was held already, else 0.
    """

    strategy: IndexStrategy
    execution_time_ms: float
    subjects_scanned: int
    results_returned: int
    cache_hit_rate: float
    indexes_used: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyFigures:
    """The queries of one strategy; times are of the newest 1,000."""

    strategy: IndexStrategy
    queries: int
    p50_ms: float
    p95_ms: float
    scanned: int
    returned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowQuery:
    """One of the slowest queries."""

    query_id: str
    pattern: str
    strategy: IndexStrategy
    execution_time_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceReport:
    """Everything since the optimizer was opened. Queries that were answered from memory count in `results` alone."""

    queries: int
    strategies: tuple[StrategyFigures, ...]
    plans: CacheCounts
    results: CacheCounts
    index: IndexFigures
    slowest: tuple[SlowQuery, ...]


class Journal:
    """Takes note of queries."""

    def __init__(self) -> None:
        self.queries = 0
        self.slowest: list[SlowQuery] = []
        self._durations: dict[IndexStrategy, deque[float]] = {}
        self._counts: dict[IndexStrategy, list[int]] = {}

    def note(self, plan: QueryPlan, performance: QueryPerformance) -> None:
        """One query more."""
        self.queries += 1
        if performance.cache_hit_rate:
            return
        strategy, duration = performance.strategy, performance.execution_time_ms
        self._durations.setdefault(strategy, deque(maxlen=_DURATIONS_KEPT)).append(duration)
        counts = self._counts.setdefault(strategy, [0, 0, 0])
        for place, more in enumerate((1, performance.subjects_scanned, performance.results_returned)):
            counts[place] += more
        slow = SlowQuery(query_id=plan.query_id, pattern=plan.options.pattern, strategy=strategy, execution_time_ms=duration)
        self.slowest = sorted([*self.slowest, slow], key=lambda one: -one.execution_time_ms)[:_SLOWEST_KEPT]

    def strategies(self) -> tuple[StrategyFigures, ...]:
        """The figures of each strategy that was used."""
        return tuple(self._figures(strategy) for strategy in IndexStrategy if strategy in self._counts)

    def _figures(self, strategy: IndexStrategy) -> StrategyFigures:
        durations = sorted(self._durations[strategy])
        queries, scanned, returned = self._counts[strategy]
        return StrategyFigures(
            strategy=strategy,
            queries=queries,
            p50_ms=durations[len(durations) // 2],
            p95_ms=durations[len(durations) * 95 // 100],
            scanned=scanned,
            returned=returned,
        )
