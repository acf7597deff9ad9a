"""This module is choosing a strategy: every one that can answer the query is costed by what would be read, and the cheapest is taken.

A cost of 1 is one request to the server. Estimates are counts of the local index, exact up to 10,000 rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace

from ..errors import InvalidInput
from ..events import format_time
from ..read_models import QueryOptions, TimeRange, is_model_key
from .bounds import UNREADABLE, FieldIndex, key_range, ranges_of
from .local_index import LocalIndex
from .plan import IndexStrategy, QueryHint, QueryOperation, QueryPlan, QueryStep, query_id
from .tables import Access

COUNTED_ROWS = 10_000
REQUEST = 1.0
SERVER_ROW = 0.02
LOCAL_LOOK = 0.1
LOCAL_ROW = 0.002
WORK_PER_ROW = 0.0005
KEYS_PER_REQUEST = 1000
CACHE_HIT_COST = 0.1
_FIRST_TIME, _LAST_TIME = "", "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to find the rows: how many are looked at, and at what cost, before anything is done with them."""

    strategy: IndexStrategy
    index: str
    rows: int
    cost: float


async def make_plan(index: LocalIndex, options: QueryOptions, hint: QueryHint) -> QueryPlan:
    """The plan of a query. Raises InvalidInput where a hint asks for what cannot answer it."""
    wanted = narrowed(options, hint)
    candidates = [one async for one in _candidates(index, wanted)]
    ways = {one: (_access_step(one, wanted), *_later_steps(one, wanted, hint)) for one in candidates}
    costs = {one: sum(step.cost for step in steps) for one, steps in ways.items()}
    chosen = _choose(costs, hint)
    rejected = tuple((one.strategy, one.index, cost) for one, cost in costs.items() if one != chosen)
    return QueryPlan(
        query_id=query_id(options, hint),
        options=wanted,
        hint=hint,
        strategy=chosen.strategy,
        index=chosen.index,
        steps=ways[chosen],
        estimated_cost=costs[chosen],
        rejected=rejected,
    )


def cached(plan: QueryPlan) -> QueryPlan:
    """The plan where its result is held already."""
    rows = plan.steps[-1].estimated_rows
    step = QueryStep(name="the result that is held", operation=QueryOperation.CACHE_HIT, estimated_rows=rows, cost=CACHE_HIT_COST)
    return replace(plan, steps=(step,), estimated_cost=CACHE_HIT_COST, is_cached=True)


def narrowed(options: QueryOptions, hint: QueryHint) -> QueryOptions:
    """The query with what the hint adds to it. Raises InvalidInput where no time is left."""
    one, other = options.time_range, hint.time_range
    if other is not None:
        starts = [moment for moment in (one.start, other.start) if moment]
        ends = [moment for moment in (one.end, other.end) if moment]
        options = replace(options, time_range=TimeRange(start=max(starts, default=None), end=min(ends, default=None)))
    return replace(options, projection=hint.projection) if hint.projection else options


def is_by_key(options: QueryOptions) -> bool:
    """Whether the page is a part of the keys in their order, every key of a range being wanted: nothing is filtered or sorted."""
    prefix = options.pattern.removesuffix(">").removesuffix(".")
    is_whole = options.pattern.endswith(">") and not {"*", ">"} & set(prefix.split("."))
    return is_whole and not options.filters and not options.sort_by and options.time_range == TimeRange()


def access_of(index: LocalIndex, options: QueryOptions, strategy: IndexStrategy, name: str) -> Access:
    """The way into the local file that a local strategy takes."""
    if strategy is IndexStrategy.COMPOSITE:
        if name not in index.fields:
            raise InvalidInput(f"The index {name} is gone; make the plan anew.")
        return _by_fields(index.fields[name], options)
    if strategy is IndexStrategy.TIME_SERIES:
        start, end = options.time_range.start, options.time_range.end
        bounds = format_time(start) if start else _FIRST_TIME, format_time(end) if end else _LAST_TIME
        return Access("models m WHERE ((m.updated >= ? AND m.updated < ?) OR m.updated IS NULL)", bounds)
    return Access("models m WHERE m.key >= ? AND m.key < ?", key_range(options.pattern))


def _by_fields(index: FieldIndex, options: QueryOptions) -> Access:
    ranges = ranges_of(index, options.filters)
    parts = " OR ".join(["(e.entry >= ? AND e.entry < ?)"] * len(ranges) + ["e.entry = ?"])
    bounds = [bound for one in ranges for bound in (one.start, one.end)]
    source = f"entries e CROSS JOIN models m ON m.key = e.key WHERE e.name = ? AND ({parts})"
    return Access(source, (index.name, *bounds, UNREADABLE))


async def _candidates(index: LocalIndex, options: QueryOptions) -> AsyncIterator[Candidate]:
    if is_model_key(options.pattern) and not {"*", ">"} & set(options.pattern.split(".")):
        yield Candidate(strategy=IndexStrategy.KEY_VALUE, index="", rows=1, cost=REQUEST + SERVER_ROW)
    for name in sorted(index.fields):
        field_index = index.fields[name]
        if covers(field_index.pattern, options.pattern) and ranges_of(field_index, options.filters):
            yield await _local(index, options, IndexStrategy.COMPOSITE, name)
    if options.time_range != TimeRange():
        yield await _local(index, options, IndexStrategy.TIME_SERIES, "models_by_update")
    prefix = await _local(index, options, IndexStrategy.KEY_PREFIX, "keys")
    yield prefix
    if options.pattern != ">":
        yield _remote(IndexStrategy.SUBJECT_PATTERN, prefix.rows)
    everything = access_of(index, QueryOptions(), IndexStrategy.KEY_PREFIX, "")
    yield _remote(IndexStrategy.FULL_SCAN, await index.count(everything, at_most=10 * COUNTED_ROWS))


def covers(wider: str, pattern: str) -> bool:
    """Whether every key that matches `pattern` matches `wider`, too."""
    mine, theirs = wider.split("."), pattern.split(".")
    for place, token in enumerate(mine):
        if token == ">":
            return len(theirs) > place
        if place >= len(theirs) or theirs[place] == ">" or token not in ("*", theirs[place]):
            return False
    return len(mine) == len(theirs)


async def _local(index: LocalIndex, options: QueryOptions, strategy: IndexStrategy, name: str) -> Candidate:
    rows = await index.count(access_of(index, options, strategy, name), at_most=COUNTED_ROWS)
    return Candidate(strategy=strategy, index=name, rows=rows, cost=REQUEST + LOCAL_LOOK + rows * LOCAL_ROW)


def _remote(strategy: IndexStrategy, rows: int) -> Candidate:
    requests = 1 + -(-rows // KEYS_PER_REQUEST)
    return Candidate(strategy=strategy, index="", rows=rows, cost=requests * REQUEST + rows * SERVER_ROW)


def _choose(candidates: Mapping[Candidate, float], hint: QueryHint) -> Candidate:
    possible = [one for one in candidates if hint.strategy in (None, one.strategy) and hint.index in ("", one.index)]
    if not possible:
        known = ", ".join(f"{one.strategy} by {one.index}" if one.index else f"{one.strategy}" for one in candidates)
        asked = " by ".join(part for part in (hint.strategy or "", hint.index) if part)
        raise InvalidInput(f"The query cannot be answered by {asked}; it can by {known}.")
    return min(possible, key=lambda one: candidates[one])


def _access_step(chosen: Candidate, options: QueryOptions) -> QueryStep:
    match chosen.strategy:
        case IndexStrategy.KEY_VALUE:
            name, operation = f"the key {options.pattern}", QueryOperation.KEY_LOOKUP
        case IndexStrategy.SUBJECT_PATTERN:
            name, operation = f"keys that match {options.pattern}", QueryOperation.SUBJECT_SCAN
        case IndexStrategy.FULL_SCAN:
            name, operation = "every key of the bucket", QueryOperation.SUBJECT_SCAN
        case _:
            name, operation = f"a part of the local index {chosen.index}", QueryOperation.INDEX_RANGE
    return QueryStep(name=name, operation=operation, estimated_rows=chosen.rows, cost=chosen.cost)


def _later_steps(chosen: Candidate, options: QueryOptions, hint: QueryHint) -> Iterator[QueryStep]:
    """What is done with the rows that were found."""
    conditions = [f"{one.field} {one.op} {one.value!r}" for one in options.filters]
    conditions += ["updated in the range"] if options.time_range != TimeRange() else []
    name = " and ".join(conditions) or f"key matches {options.pattern}"
    yield QueryStep(name=name, operation=QueryOperation.FILTER, estimated_rows=chosen.rows, cost=chosen.rows * WORK_PER_ROW)
    found = chosen.rows if hint.expected_size is None else hint.expected_size
    if options.sort_by:
        name = ", ".join(f"{one.field} {one.direction}" for one in options.sort_by)
        yield QueryStep(name=name, operation=QueryOperation.SORT, estimated_rows=found, cost=found * WORK_PER_ROW)
    page = min(options.limit, max(0, found - options.offset))
    name = f"rows {options.offset:,} to {options.offset + options.limit:,}"
    yield QueryStep(name=name, operation=QueryOperation.LIMIT, estimated_rows=page, cost=page * WORK_PER_ROW)
    if options.projection:
        name = ", ".join(options.projection)
        yield QueryStep(name=name, operation=QueryOperation.PROJECT, estimated_rows=page, cost=page * WORK_PER_ROW)
