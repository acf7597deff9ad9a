"""This module is a query over the models of one bucket, planned, run and accounted for, with remarks on fields that are not as asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

from apps.display.differences import text_of
from apps.persistence.errors import EncodingError, InvalidInput, UnknownModelSchema
from apps.persistence.queries import FieldIndex, IndexStrategy, PerformanceReport, QueryOptimizer, QueryPerformance, QueryPlan
from apps.persistence.queries.planner import access_of
from apps.persistence.read_models import Model, Pagination, QueryOptions, QueryResult, StoredModel, field_of, order_key
from apps.persistence.store import KvEntry, Store

from .indexes import Index, index_of
from .models import Models, get_models
from .query_form import QueryForm

SAMPLED = 1000
COLUMNS = 5
NAMED = 20
COUNTED = 100_000
_KINDS = {1: "nothing", 2: "true or false", 3: "true or false", 4: "numbers", 5: "text", 6: "bytes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One model of the result with what stands in each column."""

    stored: StoredModel
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result with its plan and what it took. `remarks` say what of the query does not fit the models."""

    plan: QueryPlan
    result: QueryResult
    performance: QueryPerformance
    columns: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    pages: Pagination
    remarks: tuple[str, ...]

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Some keys of values that are no models."""
        return self.result.unreadable[:NAMED]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsPage:
    """The page of a bucket of models. `answer` is None while its index is filled, and where `problem` says what is wrong."""

    models: Models
    form: QueryForm
    position: int
    is_filled: bool
    types: dict[str, int]
    fields: tuple[str, ...] = ()
    indexes: tuple[FieldIndex, ...] = ()
    answer: Answer | None = None
    report: PerformanceReport | None = None
    problem: str = ""

    @property
    def behind(self) -> int:
        """How many revisions the index has still to take in."""
        return max(0, self.models.info.last_sequence - self.position)

    @property
    def before(self) -> int:
        return self.form.page - 1

    @property
    def after(self) -> int:
        return self.form.page + 1

    @property
    def percent(self) -> int:
        return 100 * self.position // max(1, self.models.info.last_sequence)


async def read_models_page(store: Store, bucket: str, form: QueryForm) -> ModelsPage:
    """The answer to a query, or how far its index is. Raises StreamNotFound, Unavailable."""
    models = await get_models(store, bucket)
    index = await index_of(store, bucket)
    page = ModelsPage(models=models, form=form, position=index.position, is_filled=index.is_filled, types={})
    if not index.is_filled or index.optimizer is None:
        return page
    return await _answered(replace(page, types=await index.optimizer.index.types(at_most=COUNTED)), index)


async def add_index(store: Store, bucket: str, name: str, fields: str, pattern: str) -> FieldIndex:
    """A further index over fields of the models. Raises InvalidInput, StreamNotFound, Unavailable."""
    names = [one.strip() for one in fields.split(",") if one.strip()]
    return await (await _ready(store, bucket)).create_index(name, names, pattern=pattern or ">")


async def drop_index(store: Store, bucket: str, name: str) -> None:
    """Forget an index over fields. Raises StreamNotFound, Unavailable."""
    await (await _ready(store, bucket)).drop_index(name)


async def _ready(store: Store, bucket: str) -> QueryOptimizer:
    await get_models(store, bucket)
    index = await index_of(store, bucket)
    if not index.is_filled or index.optimizer is None:
        raise InvalidInput(f"The local index of {bucket} is still being filled; try again when the page shows its models.")
    return index.optimizer


async def _answered(page: ModelsPage, index: Index) -> ModelsPage:
    optimizer = cast(QueryOptimizer, index.optimizer)
    sample: list[Model] = []
    try:
        options = page.form.options()
        sample = await _sample(optimizer, options)
        plan = await optimizer.create_plan(options, page.form.hint())
        result, performance = await optimizer.execute_plan(plan)
    except (InvalidInput, UnknownModelSchema, EncodingError) as error:
        return replace(page, fields=_fields(sample), indexes=_indexes(optimizer), problem=str(error), report=await optimizer.report())
    columns = page.form.projection or _fields([item.model for item in result.items])[:COLUMNS]
    answer = Answer(
        plan=plan,
        result=result,
        performance=performance,
        columns=columns,
        rows=tuple(ResultRow(stored=item, cells=_cells(item, columns, page.form)) for item in result.items),
        pages=Pagination.from_query(options.limit, options.offset, result.total_count),
        remarks=tuple(_remarks(page.form, sample)),
    )
    fields, report = _fields(sample), await optimizer.report()
    return replace(page, answer=answer, fields=fields, indexes=_indexes(optimizer), report=report, position=index.position)


async def _sample(optimizer: QueryOptimizer, options: QueryOptions) -> list[Model]:
    """Some models whose keys match, to tell which fields there are."""
    access = access_of(optimizer.index, QueryOptions(pattern=options.pattern), IndexStrategy.KEY_PREFIX, "")

    def read() -> list[Model]:
        with closing(optimizer.index.rows(access)) as entries:  # type: ignore[type-var]
            found = (_readable(optimizer, entry) for entry in islice(entries, SAMPLED))
            return [model for model in found if model is not None]

    return await asyncio.to_thread(read)


def _readable(optimizer: QueryOptimizer, entry: KvEntry) -> Model | None:
    try:
        return optimizer.store.read(entry).model
    except (UnknownModelSchema, EncodingError):
        return None


def _indexes(optimizer: QueryOptimizer) -> tuple[FieldIndex, ...]:
    return tuple(optimizer.index.fields[name] for name in sorted(optimizer.index.fields))


def _fields(models: Sequence[Model]) -> tuple[str, ...]:
    """The fields that models have, those of most models first."""
    counts = Counter(name for model in models for name in model)
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))


def _cells(item: StoredModel, columns: Sequence[str], form: QueryForm) -> tuple[str, ...]:
    """A projected model has the fields under the names they were asked for by."""
    if form.projection:
        return tuple(text_of(item.model[name]) if name in item.model else "" for name in columns)
    return tuple(text_of(value) if (value := field_of(item.model, name)) is not None else "" for name in columns)


def _remarks(form: QueryForm, sample: Sequence[Model]) -> list[str]:
    """Sentences on fields that no model has, and on sorts over values of several kinds."""
    if not sample:
        return []
    many = f"the first {SAMPLED:,} models that match {form.pattern}" if len(sample) == SAMPLED else f"the models that match {form.pattern}"
    there = ", ".join(_fields(sample)[:20])
    found = [
        f"None of {many} has a field {name[:60]!r}; they have {there}. A missing field is nothing: equal to null, unlike all else."
        for name in form.named
        if all(field_of(model, name) is None for model in sample)
    ]
    for row in form.sorts:
        kinds = sorted({order_key(field_of(model, row.field))[0] for model in sample})
        words = list(dict.fromkeys(_KINDS.get(kind, "lists and maps") for kind in kinds))
        if len(words) > 1:
            found.append(f"{row.field[:60]} holds values of several kinds in {many}; sorted up they stand so: {', '.join(words)}.")
    return found
