"""This module is a plan of a query: by which strategy its rows are found, in which steps, and what that is expected to cost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from ..errors import InvalidInput
from ..read_models import QueryOptions, TimeRange


class IndexStrategy(StrEnum):
    """How rows are found. The answer is the same by each; the cost is not."""

    KEY_VALUE = "key_value"
    """One key, read from the server."""
    COMPOSITE = "composite"
    """A local index over one field or more."""
    TIME_SERIES = "time_series"
    """The local index of when models were updated."""
    KEY_PREFIX = "key_prefix"
    """The local index of keys."""
    SUBJECT_PATTERN = "subject_pattern"
    """The keys that match the pattern, read from the server."""
    FULL_SCAN = "full_scan"
    """Every key of the bucket, read from the server."""


LOCAL = frozenset({IndexStrategy.COMPOSITE, IndexStrategy.TIME_SERIES, IndexStrategy.KEY_PREFIX})


class QueryOperation(StrEnum):
    """What a step does."""

    CACHE_HIT = "cache_hit"
    KEY_LOOKUP = "key_lookup"
    INDEX_RANGE = "index_range"
    SUBJECT_SCAN = "subject_scan"
    FILTER = "filter"
    SORT = "sort"
    LIMIT = "limit"
    PROJECT = "project"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryHint:
    """What the caller knows better. `strategy` and `index` decide how rows are found, `expected_size` how many are expected to match.

    `time_range` and `projection` narrow the query itself. Without `use_cache` a result that is held is not used, nor this one held.
    """

    strategy: IndexStrategy | None = None
    index: str = ""
    expected_size: int | None = None
    time_range: TimeRange | None = None
    projection: tuple[str, ...] = ()
    use_cache: bool = True

    def __post_init__(self) -> None:
        if self.expected_size is not None and self.expected_size < 0:
            raise InvalidInput(f"{self.expected_size} rows cannot be expected; give 0 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStep:
    """One step, with how many rows it is expected to look at and what it costs; a cost of 1 is one request to the server."""

    name: str
    operation: QueryOperation
    estimated_rows: int
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlan:
    """How a query will be answered. The same query and hints have the same `query_id`."""

    query_id: str
    options: QueryOptions
    hint: QueryHint
    strategy: IndexStrategy
    index: str
    steps: tuple[QueryStep, ...]
    estimated_cost: float
    rejected: tuple[tuple[IndexStrategy, str, float], ...] = ()
    is_cached: bool = False

    @property
    def subject_patterns(self) -> tuple[str, ...]:
        """Which keys are looked at."""
        return (">",) if self.strategy is IndexStrategy.FULL_SCAN else (self.options.pattern,)

    def explain(self) -> str:
        """The plan in lines for a person: what is done, what it costs, and what it would have cost otherwise."""
        by = f"{self.strategy} by {self.index}" if self.index else f"{self.strategy}"
        lines = [f"{self.query_id}: {by}, cost {self.estimated_cost:.3f}"]
        for number, step in enumerate(self.steps, 1):
            lines.append(f"  {number}. {step.operation}: {step.name}, about {step.estimated_rows:,} rows, cost {step.cost:.3f}")
        lines += [f"  not {strategy}{f' by {index}' if index else ''}: cost {cost:.3f}" for strategy, index, cost in self.rejected]
        return "\n".join(lines)


def query_id(options: QueryOptions, hint: QueryHint) -> str:
    """A name for a query with its hints."""
    return hashlib.sha256(repr((options, hint)).encode()).hexdigest()[:16]
