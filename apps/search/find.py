"""This module is looking up what a text may mean, one way of reading it after another, each in a few requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import singledispatch

from apps.persistence.errors import FeatureUnavailable, InvalidInput, NotFound, StreamNotFound
from apps.persistence.projections.builtin import events_by_correlation, find_by_cid
from apps.persistence.store import EVENTS, Store, get_last, get_message, serving_layout
from apps.registry import informed

from . import names, reading
from .index_state import index_behind
from .matches import Found, describe_story, match_aggregate, match_event, match_version

STORY_EVENTS = 100


async def find(store: Store, text: str, *, viewed_stream: str) -> Found:
    """Look up every reading of `text`. A bare sequence is meant in `viewed_stream`, or in CIM-EVENTS. Raises Unavailable, InvalidInput."""
    store, found = informed(store), Found()
    for one in reading.read_text(text, stream=viewed_stream or serving_layout(store.connection, EVENTS).stream):
        await _look_up(one, store, found)
    return found


@singledispatch
async def _look_up(one: reading.Reading, store: Store, found: Found) -> None:
    raise AssertionError(f"no way to look up {one!r}")


@_look_up.register
async def _(one: reading.Sequence, store: Store, found: Found) -> None:
    try:
        found.exact.append(match_event(store, await get_message(store.connection, one.stream, one.sequence)))
    except (NotFound, InvalidInput) as error:
        found.tried.append(f"A sequence: {error}")


@_look_up.register
async def _(one: reading.OurCid, store: Store, found: Found) -> None:
    searched = []
    async for chained in _chained(store):
        message = await find_by_cid(chained, one.cid)
        if message is not None:
            found.exact.append(match_version(chained, message))
            return
        searched.append(chained.layout.stream)
    behind = await index_behind(store)
    unread = f" The index of events is {behind:,} events behind, so not all could be looked at; a worker keeps it." if behind else ""
    found.tried.append(f"The CID of an event: no event in {', '.join(searched) or 'any stream'} has it.{unread}")


@_look_up.register
async def _(one: reading.ForeignCid, store: Store, found: Found) -> None:
    said = one.description
    found.tried.append(
        f"A CID of another kind: version {said.version}, {said.codec}, {said.hash}, written in {said.base}. "
        "Events here are named by version 1, dag-cbor, blake3, so none of them can have it."
    )


@_look_up.register
async def _(one: reading.NoCid, store: Store, found: Found) -> None:
    found.tried.append(f"A CID: {one.reason}")


@_look_up.register
async def _(one: reading.Aggregate, store: Store, found: Found) -> None:
    ref, before = one.ref, len(found.exact)
    for layout in store.layouts:
        if layout.context not in (None, ref.context):
            continue
        try:
            message = await get_last(store.connection, layout.stream, layout.all_of(ref))
        except StreamNotFound:
            continue
        parts = layout.parse(message.subject) if message else None
        if parts is not None and (parts.context, parts.aggregate, parts.entity) == (ref.context, ref.type, ref.id):
            found.exact.append(match_aggregate(store, layout, ref, version=one.version))
    if len(found.exact) == before:
        found.tried.append(f"An aggregate: no event of {ref} is stored.")


@_look_up.register
async def _(one: reading.AggregateType, store: Store, found: Found) -> None:
    await names.find_type(store, one.context, one.type, found)


@_look_up.register
async def _(one: reading.Subject, store: Store, found: Found) -> None:
    if one.is_pattern:
        found.near.extend(await names.streams_matching(store, one.subject))
        return
    for stream in await names.streams_of(store, one.subject):
        message = await get_last(store.connection, stream, one.subject)
        if message is not None:
            described = store.on_stream(stream)
            found.exact.append(match_version(described, message) if described else match_event(store, message))
            return
    found.tried.append(f"A subject: nothing is stored under {one.subject}.")


@_look_up.register
async def _(one: reading.Correlation, store: Store, found: Found) -> None:
    async for chained in _chained(store):
        messages = await events_by_correlation(chained, one.id, limit=STORY_EVENTS)
        found.stories.extend(describe_story(chained, message) for message in messages)
    if len(found.stories) == 1:
        found.exact.append(found.stories.pop())
    if not found.exact and not found.stories:
        found.tried.append(f"A correlation: no event of {one.id} was found. An event's own id is found only where it began the story.")


@_look_up.register
async def _(one: reading.AggregateId, store: Store, found: Found) -> None:
    await names.find_id(store, one.id, found)


@_look_up.register
async def _(one: reading.Name, store: Store, found: Found) -> None:
    await names.find_name(store, one.name, found)


async def _chained(store: Store) -> AsyncIterator[Store]:
    """This store on each layout whose events are blocks and whose stream is there."""
    for layout in store.layouts:
        if not layout.is_chained:
            continue
        try:
            await get_last(store.connection, layout.stream, layout.subjects)
        except (StreamNotFound, FeatureUnavailable):
            continue
        yield store.on(layout)
