"""This module is the newest state of every aggregate whose type a domain declares, kept in the stream CIM-AGGREGATES.

One projection for each type, so that one faulty fold stops its own type only. A state is a message `{context}.{aggregate}.{entity}.state.
s{schema}`: a block with the aggregate, its version, the CID of that version's event, the schema and the state. It is folded on from the
state before, so an event costs one fold. Raising a definition's schema builds its states anew under new subjects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from ...encoding import Cid, Value, decode
from ...errors import InvalidState, StreamNotFound
from ...events import AggregateDefinition, AggregateRef, Head, State, StoredEvent
from ...store import AGGREGATES_STREAM, EVENTS, Connection, Layout, Message, get_last, last_of_each, serving_number
from ..definition import Models, ProjectionDefinition, Target
from ..placing import target_prefix

PREFIX = "cim.aggregates"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestState:
    """A state with the head it belongs to; `stored_at` is when the server stored it."""

    head: Head
    schema: int
    state: State
    stored_at: datetime


def newest_state_projections(definitions: Iterable[AggregateDefinition], *, layout: Layout = EVENTS) -> tuple[ProjectionDefinition, ...]:
    """One projection for each aggregate type, over a versioned layout's stream."""
    return tuple(_projection(definition, layout) for definition in definitions)


async def find_newest_state(connection: Connection, definition: AggregateDefinition, aggregate: AggregateRef) -> NewestState | None:
    """The newest state of an aggregate that was folded, or None. It may be some events behind the stream; `head` says where it is."""
    try:
        message = await get_last(connection, AGGREGATES_STREAM, _subject(connection, definition, aggregate))
    except StreamNotFound:
        return None
    return _read(message, aggregate) if message else None


async def find_newest_states(
    connection: Connection, definition: AggregateDefinition, aggregates: Sequence[AggregateRef]
) -> dict[AggregateRef, NewestState]:
    """The same for up to 1,000 aggregates of one type in one request; those that were not folded yet are left out."""
    named = {_subject(connection, definition, ref): ref for ref in aggregates}
    try:
        messages = await last_of_each(connection, AGGREGATES_STREAM, list(named)) if named else []
    except StreamNotFound:
        return {}
    return {named[message.subject]: _read(message, named[message.subject]) for message in messages}


def _subject(connection: Connection, definition: AggregateDefinition, aggregate: AggregateRef) -> str:
    return f"{target_prefix(PREFIX, serving_number(connection, EVENTS.stream))}.{_key(definition, aggregate)}"


def _read(message: Message, aggregate: AggregateRef) -> NewestState:
    block = cast("dict[str, Value]", decode(message.data))
    return NewestState(
        head=Head(aggregate=aggregate, version=cast(int, block["version"]), cid=cast(Cid, block["cid"])),
        schema=cast(int, block["schema"]),
        state=cast(State, block["state"]),
        stored_at=message.time,
    )


async def drop_newest_states(connection: Connection, aggregate: AggregateRef) -> None:
    """Remove every newest state of an aggregate, of whatever schema and generation."""
    name = f"{aggregate.context}.{aggregate.type}.{aggregate.id}"
    for prefix in (PREFIX, f"{PREFIX}.*"):
        try:
            await connection.api(f"STREAM.PURGE.{AGGREGATES_STREAM}", {"filter": f"{prefix}.{name}.>"}, stream=AGGREGATES_STREAM)
        except StreamNotFound:
            return


def _projection(definition: AggregateDefinition, layout: Layout) -> ProjectionDefinition:
    def keys(stored: StoredEvent) -> Sequence[str]:
        return (_key(definition, stored.event.aggregate),)

    return ProjectionDefinition(
        name=f"state-{definition.context}-{definition.type}",
        version=definition.schema,
        title=f"Newest state: {definition.title}",
        description=f"The newest state of every {definition.context}.{definition.type}, in {AGGREGATES_STREAM}.",
        subjects=(f"{layout.root}.{definition.context}.{definition.type}.>",),
        stream=layout.stream,
        keys=keys,
        apply=_make_apply(definition),
        is_idempotent=True,
        is_builtin=True,
        from_openings=True,
        demo=definition.demo,
        target=Target(stream=AGGREGATES_STREAM, prefix=PREFIX),
    )


def _make_apply(definition: AggregateDefinition) -> Callable[[StoredEvent, Models], Models]:
    def apply(stored: StoredEvent, models: Models) -> Models:
        event, key = stored.event, _key(definition, stored.event.aggregate)
        before = models[key]
        version = cast(int, before["version"]) if before else 0
        if event.version <= version:
            return {}
        if event.version != version + 1:
            raise InvalidState(f"version {event.version} of {event.aggregate} comes after version {version}; versions between are missing")
        state = cast(State, before["state"]) if before else dict(definition.initial)
        return {key: _block(stored, definition.schema, definition.next_state(state, event))}

    return apply


def _block(stored: StoredEvent, schema: int, state: State) -> dict[str, Value]:
    ref = stored.event.aggregate
    return {
        "aggregate": {"context": ref.context, "type": ref.type, "id": ref.id},
        "version": stored.event.version,
        "cid": stored.cid,
        "schema": schema,
        "state": state,
    }


def _key(definition: AggregateDefinition, ref: AggregateRef) -> str:
    return f"{ref.context}.{ref.type}.{ref.id}.state.s{definition.schema}"
