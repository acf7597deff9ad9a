"""This module is which types of aggregates there are, and how far the directory that lists them has come.

The directory is a projection over CIM-EVENTS. Where it has not run, and for streams without one, types are read from the subjects alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from apps.persistence.errors import StreamNotFound
from apps.persistence.evolution import manifest_type
from apps.persistence.projections import find_record, place_of, read_position
from apps.persistence.projections.builtin import directory_of, list_aggregate_types
from apps.persistence.registry import Registry
from apps.persistence.store import EVENTS, Layout, Store, get_stream, serving_layout, subjects_matching
from apps.persistence.work.heartbeat import list_workers
from apps.registry import informed, is_serving_events, registry

SUBJECTS_READ = 100_000
"""How many subjects of one stream are asked for where there is no directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryState:
    """`kind` "current", "behind" by `behind` events, "not_run", or "no_stream": there is no event stream yet. `workers` are alive."""

    kind: Literal["current", "behind", "not_run", "no_stream"]
    behind: int = 0
    workers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRow:
    """A type. `stream` is empty where it follows from the context. What only the directory knows is None without it.

    `is_manifest`: the console's own, for what migrations made each generation of.
    """

    context: str
    type: str
    title: str
    stream: str
    held_in: str
    aggregates: int
    is_at_least: bool
    events: int | None = None
    changed: datetime | None = None
    is_declared: bool = False
    is_manifest: bool = False
    is_demo: bool = False
    is_chained: bool = True

    @property
    def name(self) -> str:
        return f"{self.context}.{self.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    """Every type there is. `idle` are those that are declared and have no aggregate yet."""

    rows: tuple[TypeRow, ...]
    idle: tuple[str, ...]
    directory: DirectoryState


async def read_types(store: Store) -> Types:
    """The types of every layout that is declared, those of CIM-EVENTS from the directory."""
    store, known = informed(store), registry()
    state = await read_directory_state(store)
    rows: list[TypeRow] = []
    for layout in known.layouts:
        if is_serving_events(store, layout) and state.kind in ("current", "behind"):
            rows += await _from_directory(store, known)
        else:
            rows += await _from_subjects(store, known, layout)
    there = {(row.context, row.type) for row in rows}
    idle = tuple(".".join(key) for key in sorted(known.aggregates.keys() - there))
    return Types(rows=tuple(sorted(rows, key=lambda row: (row.stream, row.name))), idle=idle, directory=state)


async def read_directory_state(store: Store) -> DirectoryState:
    """How far the directory over CIM-EVENTS is behind its stream."""
    workers, layout = len(await list_workers(store.connection)), serving_layout(store.connection, EVENTS)
    try:
        stream = await get_stream(store.connection, layout.stream)
    except StreamNotFound:
        return DirectoryState(kind="no_stream", workers=workers)
    definition = directory_of()
    record = await find_record(store.connection, definition.name)
    if record and record.serving_build.generation != layout.generation:
        return DirectoryState(kind="not_run", behind=stream.messages, workers=workers)
    try:
        position = await read_position(store.connection, place_of(definition, record.serving if record else 1))
    except StreamNotFound:
        return DirectoryState(kind="not_run", workers=workers)
    behind = max(0, stream.last_sequence - position.sequence)
    if position.applied == 0 and behind:
        return DirectoryState(kind="not_run", behind=behind, workers=workers)
    return DirectoryState(kind="behind" if behind else "current", behind=behind, workers=workers)


def aggregates_pattern(layout: Layout, *, context: str = "*", aggregate: str = "*") -> str:
    """The subjects of which each aggregate of a type has one; in a foreign layout, all there are."""
    return layout.first_of_each(context=context, aggregate=aggregate) if layout.is_chained else layout.subjects


async def _from_directory(store: Store, known: Registry) -> list[TypeRow]:
    return [
        _row(
            known,
            serving_layout(store.connection, EVENTS),
            found.context,
            found.type,
            aggregates=found.aggregates,
            events=found.events,
            changed=found.last_time,
        )
        for found in await list_aggregate_types(store.connection)
    ]


async def _from_subjects(store: Store, known: Registry, layout: Layout) -> list[TypeRow]:
    pattern = aggregates_pattern(layout)
    try:
        subjects = await subjects_matching(store.connection, layout.stream, pattern, limit=SUBJECTS_READ)
    except StreamNotFound:
        return []
    parsed = (layout.parse(subject) for subject in subjects)
    names = {(parts.context, parts.aggregate, parts.entity) for parts in parsed if parts}
    counted = Counter((context, aggregate) for context, aggregate, _ in names)
    is_cut = len(subjects) >= SUBJECTS_READ
    return [_row(known, layout, *key, aggregates=count, is_at_least=is_cut) for key, count in counted.items()]


def _row(
    known: Registry,
    layout: Layout,
    context: str,
    aggregate: str,
    *,
    aggregates: int,
    is_at_least: bool = False,
    events: int | None = None,
    changed: datetime | None = None,
) -> TypeRow:
    definition = known.aggregates.get((context, aggregate))
    is_own = layout.is_chained and (layout.name == EVENTS.name or layout.context == context)
    return TypeRow(
        context=context,
        type=aggregate,
        title=definition.title if definition else aggregate.replace("_", " ").capitalize(),
        stream="" if is_own else layout.stream,
        held_in=layout.stream,
        aggregates=aggregates,
        is_at_least=is_at_least,
        events=events,
        changed=changed,
        is_declared=definition is not None,
        is_manifest=definition is None and layout.is_chained and (context, aggregate) == manifest_type(layout),
        is_demo=layout.demo or bool(definition and definition.demo),
        is_chained=layout.is_chained,
    )
