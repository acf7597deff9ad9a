"""This module is one type's page: its aggregates, the one that changed last first, or by id and by how an id begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from apps.domain.cqrs import DeclaredCommand, DeclaredQuery
from apps.persistence.encoding import Cid, cid_of
from apps.persistence.errors import InvalidInput, StreamNotFound
from apps.persistence.events import AggregateDefinition, AggregateRef
from apps.persistence.projections.builtin import AggregateEntry, find_newest_states, page_aggregates, recent_aggregates
from apps.persistence.store import EVENTS, Layout, Message, Store, get_last, subjects_matching
from apps.persistence.subjects import check_token, is_token
from apps.registry import informed, is_serving_events, layout_for, registry

from .address import address_of
from .directory import SUBJECTS_READ, DirectoryState, aggregates_pattern, read_directory_state
from .glance import Glance, glance_of
from .offers import commands_for, queries_for

ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeQuery:
    """What a type's address asks: ids that begin with `prefix`, sorted by "changed" or "id", after an id or before a place in time."""

    context: str
    type: str
    stream: str = ""
    prefix: str = ""
    sort: Literal["changed", "id"] = "changed"
    after: str = ""
    before: int | None = None

    @property
    def name(self) -> str:
        return f"{self.context}.{self.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An aggregate. `address` is empty where its id cannot stand in one; what is not known without the directory is None."""

    id: str
    address: str
    version: int | None = None
    last_event: str = ""
    changed: datetime | None = None
    created: datetime | None = None
    head: Cid | None = None
    glance: Glance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeListing:
    """`source` says where the rows come from, `policy` when snapshots are due, if that is declared.

    `has_names` and `has_statuses`: the domain says how its aggregates are called, and where they stand.

    `total` counts those that begin with the prefix, None where it is not counted.

    `after` and `before` lead to the next page; both None at the end.
    """

    query: TypeQuery
    layout: Layout
    title: str
    is_declared: bool
    is_demo: bool
    source: Literal["directory", "subjects"]
    directory: DirectoryState
    rows: tuple[Row, ...]
    total: int | None
    is_at_least: bool = False
    after: str | None = None
    before: int | None = None
    policy: str = ""
    has_names: bool = False
    has_statuses: bool = False

    @property
    def creations(self) -> tuple[DeclaredCommand, ...]:
        """The commands that make one more of this type."""
        commands = commands_for(self.query.context, self.query.type) if self.layout.name == EVENTS.name else None
        return commands.creations if commands else ()

    @property
    def queries(self) -> Sequence[DeclaredQuery]:
        """What can be asked about this type."""
        queries = queries_for(self.query.context, self.query.type) if self.layout.name == EVENTS.name else None
        return queries.queries if queries else ()

    @property
    def is_empty_type(self) -> bool:
        """Nothing of this type is there at all, as far as this page can tell."""
        return not self.rows and not self.query.prefix and not self.query.after and self.query.before is None


def read_query(context: str, type: str, given: Mapping[str, str]) -> TypeQuery:
    """Read the address of a type's page. Raises InvalidInput. Ids are found by their beginning in the order of ids only."""
    check_token(context, "a context")
    check_token(type, "an aggregate type")
    prefix, after = given.get("id", "").strip(), given.get("after", "").strip()
    if prefix:
        check_token(prefix, "the beginning of an aggregate id")
    before = given.get("before", "").strip()
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise InvalidInput(f"before is {before[:40]!r}; it comes from the page before and is a whole number.")
    by_id = bool(prefix or after) or given.get("sort") == "id"
    return TypeQuery(
        context=context, type=type, stream=given.get("stream", "").strip(), prefix=prefix, sort="id" if by_id else "changed",
        after=after, before=int(before) if before else None,
    )  # fmt: skip


async def read_listing(store: Store, query: TypeQuery) -> TypeListing:
    """One page of a type. Raises InvalidInput for a stream without a layout, Unavailable."""
    store, known = informed(store), registry()
    layout = layout_for(AggregateRef(query.context, query.type, "any"), query.stream)
    definition = known.aggregates.get((query.context, query.type))
    directory = await read_directory_state(store)
    has_directory = is_serving_events(store, layout) and directory.kind in ("current", "behind")
    found = await (_by_directory(store, query) if has_directory else _by_subjects(store.on(layout), query))
    return TypeListing(
        query=query,
        layout=layout,
        title=definition.title if definition else query.type.replace("_", " ").capitalize(),
        is_declared=definition is not None,
        is_demo=layout.demo or bool(definition and definition.demo),
        source="directory" if has_directory else "subjects",
        directory=directory,
        rows=await _with_glances(store, definition, query, found.rows) if has_directory else found.rows,
        total=found.total,
        is_at_least=found.is_at_least,
        after=found.after,
        before=found.before,
        policy=str(definition.snapshots) if definition and definition.snapshots else "",
        has_names=has_directory and definition is not None and bool(definition.label),
        has_statuses=has_directory and definition is not None and bool(definition.status),
    )


async def _with_glances(store: Store, definition: AggregateDefinition | None, query: TypeQuery, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows with what their newest states say, as far as those were folded."""
    if definition is None or not (definition.status or definition.label):
        return rows
    refs = [AggregateRef(query.context, query.type, row.id) for row in rows if row.address]
    states = await find_newest_states(store.connection, definition, refs)
    found = {ref.id: glance_of(definition, newest.state) for ref, newest in states.items()}
    return tuple(replace(row, glance=found.get(row.id)) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    rows: tuple[Row, ...]
    total: int | None
    is_at_least: bool = False
    after: str | None = None
    before: int | None = None


async def _by_directory(store: Store, query: TypeQuery) -> _Found:
    if query.sort == "changed":
        recent = await recent_aggregates(
            store.connection, context=query.context, aggregate_type=query.type, before=query.before, limit=ROWS
        )
        return _Found(rows=_of_entries(query, recent.entries), total=None, before=recent.older)
    page = await page_aggregates(store.connection, query.context, query.type, prefix=query.prefix, after=query.after, limit=ROWS)
    return _Found(rows=_of_entries(query, page.entries), total=page.total, after=page.next_after)


def _of_entries(query: TypeQuery, entries: Sequence[AggregateEntry]) -> tuple[Row, ...]:
    return tuple(
        Row(
            id=entry.aggregate.id,
            address=address_of(entry.aggregate, query.stream),
            version=entry.version,
            last_event=entry.last_event,
            changed=entry.last_time,
            created=entry.first_time,
            head=entry.head.cid,
        )
        for entry in entries
    )


async def _by_subjects(store: Store, query: TypeQuery) -> _Found:
    """By id, as the subjects hold no times; the newest event of each one on the page is looked up."""
    layout = store.layout
    pattern = aggregates_pattern(layout, context=query.context, aggregate=query.type)
    try:
        subjects = await subjects_matching(store.connection, layout.stream, pattern, limit=SUBJECTS_READ)
    except StreamNotFound:
        return _Found(rows=(), total=0)
    parsed = (layout.parse(subject) for subject in subjects)
    ids = sorted({parts.entity for parts in parsed if parts and (parts.context, parts.aggregate) == (query.context, query.type)})
    matching = [one for one in ids if one.startswith(query.prefix)]
    rest = [one for one in matching if one > query.after]
    rows = [await _look_up(store, query, one) for one in rest[:ROWS]]
    after = rest[ROWS - 1] if len(rest) > ROWS else None
    return _Found(rows=tuple(rows), total=len(matching), is_at_least=len(subjects) >= SUBJECTS_READ, after=after)


async def _look_up(store: Store, query: TypeQuery, id: str) -> Row:
    if not is_token(id):
        return Row(id=id, address="")
    ref = AggregateRef(query.context, query.type, id)
    message: Message | None = await get_last(store.connection, store.layout.stream, store.layout.all_of(ref))
    parts = store.layout.parse(message.subject) if message else None
    return Row(
        id=id,
        address=address_of(ref, query.stream),
        version=parts.version if parts else None,
        last_event=(parts.event or "") if parts else "",
        changed=message.time if message else None,
        head=cid_of(message.data) if message and store.layout.is_chained else None,
    )
