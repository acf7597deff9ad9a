"""This module is which aggregates an operation is about: one, all of a type, or all; walked by pages of the directory of aggregates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import InvalidInput, StreamNotFound
from ..events import AggregateDefinition, AggregateRef
from ..projections import find_record, place_of, read_position
from ..projections.builtin import AggregateEntry, directory_of, page_aggregates
from ..registry import Registry
from ..store import EVENTS, Store, get_stream

PAGE = 100

Scope = Literal["aggregate", "type", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some aggregates of one type, by id."""

    definition: AggregateDefinition
    entries: tuple[AggregateEntry, ...]


async def foldable_types(store: Store, registry: Registry) -> Sequence[str]:
    """Every declared type whose events lie in the event stream, as context.type."""
    return [".".join(definition.key) for definition in _foldable(registry)]


def check_scope(scope: str, *, aggregate: str, type: str) -> None:
    """Raises InvalidInput where an aggregate or a type is named that the scope leaves out: nothing is done to more than was meant."""
    for name, given in (("aggregate", aggregate), ("type", type)):
        if given and scope != name:
            raise InvalidInput(f"{name} is {given[:80]!r}, and scope is {scope}: choose the scope {name}, or leave {name} empty.")


def target_of(scope: Scope, aggregate: str, type: str) -> str:
    """What an operation on aggregates works on."""
    return {"aggregate": f"aggregate/{aggregate}", "type": f"type/{type}", "all": "aggregates/all"}[scope]


def in_words(scope: Scope, aggregate: str, type: str) -> str:
    """What the operation is about, for a sentence."""
    return {"aggregate": aggregate, "type": f"every {type}", "all": "all aggregates"}[scope]


def find_declared(registry: Registry, text: str) -> tuple[AggregateRef, AggregateDefinition]:
    """An aggregate that is typed in, and how it is folded. Raises InvalidInput."""
    if not text:
        raise InvalidInput("aggregate is missing: write it as context.type.id, such as sales.order.7f3c91e0.")
    ref = AggregateRef.parse(text)
    definition = registry.definition_of(ref)
    if definition is None:
        raise InvalidInput(f"No domain declares {ref.context}.{ref.type}, so it has no state to keep; check CIM_DOMAINS.")
    return ref, definition


def definitions_of(registry: Registry, scope: Scope, type: str) -> list[AggregateDefinition]:
    """The declared types that are meant, by name. Raises InvalidInput where there is no such type."""
    foldable = _foldable(registry)
    if scope == "all":
        return foldable
    found = [definition for definition in foldable if ".".join(definition.key) == type]
    if not found:
        known = ", ".join(".".join(definition.key) for definition in foldable)
        raise InvalidInput(f"type is {type[:80]!r}, and no domain declares that; there are {known or 'none'}. Check CIM_DOMAINS.")
    return found


async def check_directory(store: Store) -> int:
    """How many events the directory of aggregates is behind the stream. Raises InvalidInput where there is none yet."""
    definition = directory_of(store.layout)
    record = await find_record(store.connection, definition.name)
    if record is None or record.serving_build.generation != store.layout.generation:
        raise InvalidInput("There is no directory of aggregates to go by yet; start a worker, which builds it, and plan again.")
    try:
        position = await read_position(store.connection, place_of(definition, record.serving))
        last = (await get_stream(store.connection, store.layout.stream)).last_sequence
    except StreamNotFound as error:
        raise InvalidInput("There is no directory of aggregates to go by yet; start a worker, and plan again.") from error
    return max(0, last - position.sequence)


async def count_aggregates(store: Store, definitions: Sequence[AggregateDefinition]) -> int:
    """How many aggregates of these types the directory knows."""
    total = 0
    for definition in definitions:
        total += (await page_aggregates(store.connection, *definition.key, limit=1, layout=store.layout)).total
    return total


async def walk_aggregates(store: Store, definitions: Sequence[AggregateDefinition], *, after: str = "") -> AsyncIterator[Page]:
    """Page by page every aggregate of these types; `after` is the name of the last one that was seen, as context.type.id."""
    seen_type, _, seen_id = after.rpartition(".")
    for definition in definitions:
        name = ".".join(definition.key)
        if name < seen_type:
            continue
        position: str | None = seen_id if name == seen_type else ""
        while position is not None:
            page = await page_aggregates(store.connection, *definition.key, after=position, limit=PAGE, layout=store.layout)
            if page.entries:
                yield Page(definition=definition, entries=page.entries)
            position = page.next_after


def page_of(ref: AggregateRef) -> str:
    """Where the console shows an aggregate."""
    return f"/aggregates/{ref.context}.{ref.type}/{ref.id}/"


def _foldable(registry: Registry) -> list[AggregateDefinition]:
    elsewhere = {layout.context for layout in registry.layouts if layout.name != EVENTS.name and layout.context}
    return sorted(
        (definition for definition in registry.aggregates.values() if definition.context not in elsewhere),
        key=lambda definition: ".".join(definition.key),
    )
