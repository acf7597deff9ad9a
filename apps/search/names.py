"""This module is looking for names: aggregates by their id alone, types, streams, projections and consumers."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from apps.display.places import address_at
from apps.persistence.errors import FeatureUnavailable, InvalidInput, StreamNotFound
from apps.persistence.events import AggregateRef
from apps.persistence.projections.builtin import AggregateType, list_aggregate_types, page_aggregates
from apps.persistence.store import Layout, Store, StreamInfo, TooManyMatches, get_last, last_of_each, list_consumers, list_streams
from apps.persistence.subjects import matches, overlaps
from apps.registry import registry

from .matches import Found, Match, match_aggregate, match_filtered, observed_by

NEAR = 8
STREAMS_ASKED = 40
_SHORTEST_PREFIX = 2


async def find_type(store: Store, context: str, type: str, found: Found) -> None:
    """A type that is declared, or of which there is an aggregate."""
    is_declared = not observed_by(store) and (context, type) in registry().aggregates
    for layout in store.layouts:
        if layout.context in (None, context) and (is_declared or await _has(store, layout, context, type)):
            found.exact.append(_match_type(store, layout, context, type))
            return
    found.tried.append(f"A type of aggregates: there is no {context}.{type}.")


async def find_id(store: Store, id: str, found: Found) -> None:
    """Aggregates of any type with this id; where there is none, those whose ids begin with it."""
    refs = [(layout, ref) for layout in store.layouts for ref in await _with_id(store, layout, id)]
    found.exact.extend(match for layout, ref in refs if (match := match_aggregate(store, layout, ref)) not in found.exact)
    if refs or len(id) < _SHORTEST_PREFIX:
        return
    types = await list_aggregate_types(store.connection)
    near = await _beginning_with(store, types, id)
    found.near.extend(near)
    if not near:
        rest = ", or one that begins so." if types else ". Beginnings of ids can be looked for once a worker has run the directory."
        found.tried.append(f"An aggregate id: no aggregate of any type has the id {id}{rest}")


async def find_name(store: Store, name: str, found: Found) -> None:
    """A stream, a projection or a consumer of this name, in any case; else those whose names hold it."""
    streams = await list_streams(store.connection)
    projections = [] if observed_by(store) else _projections()
    named = [_match_stream(store, stream) for stream in streams] + projections + await _consumers(store, streams)
    wanted = name.lower()
    exact = [match for match in named if match.name.lower() == wanted or match.name.lower().endswith(f":{wanted}")]
    found.exact.extend(exact)
    if exact:
        return
    near = [match for match in named if wanted in match.name.lower() and len(wanted) >= _SHORTEST_PREFIX]
    found.near.extend(near[:NEAR])
    found.left_out += len(near[NEAR:])
    if not near:
        found.tried.append(f"A name: no stream, projection or consumer is called {name}.")


async def streams_of(store: Store, subject: str) -> list[str]:
    """The streams that take this subject."""
    return [stream.name for stream in await list_streams(store.connection) if any(matches(one, subject) for one in stream.subjects)]


async def streams_matching(store: Store, pattern: str) -> list[Match]:
    """The streams that can hold subjects of this pattern, each opened with it as its filter."""
    try:
        holding = [one for one in await list_streams(store.connection) if any(overlaps(subject, pattern) for subject in one.subjects)]
    except InvalidInput:
        return []
    detail = f"events under {pattern}"
    return [match_filtered(store, one.name, pattern, kind="Stream", name=one.name, detail=detail) for one in holding]


async def _has(store: Store, layout: Layout, context: str, type: str) -> bool:
    pattern = layout.first_of_each(context=context, aggregate=type) if layout.is_chained else layout.subjects
    try:
        message = await get_last(store.connection, layout.stream, pattern)
    except StreamNotFound:
        return False
    parts = layout.parse(message.subject) if message else None
    return parts is not None and (parts.context, parts.aggregate) == (context, type)


async def _with_id(store: Store, layout: Layout, id: str) -> list[AggregateRef]:
    """The aggregates of this id in one stream: by their first events, or any one event where those are missing."""
    try:
        first = await last_of_each(store.connection, layout.stream, [_pattern(layout, id)])
        if not first and layout.is_chained:
            any_one = await get_last(store.connection, layout.stream, _pattern(layout, id).removesuffix(".*.v1") + ".>")
            first = [any_one] if any_one else []
    except (StreamNotFound, TooManyMatches, FeatureUnavailable):
        return []
    parsed = (layout.parse(message.subject) for message in first)
    return sorted({parts.ref for parts in parsed if parts and parts.entity == id}, key=str)


def _pattern(layout: Layout, id: str) -> str:
    if layout.is_chained:
        head = f"{layout.root}.{layout.context}" if layout.context else f"{layout.root}.*"
        return f"{head}.*.{id}.*.v1"
    tokens = (layout.pattern or "").split(".")
    return ".".join(id if token == "{entity}" else "*" if token.startswith("{") else token for token in tokens)


async def _beginning_with(store: Store, types: Sequence[AggregateType], prefix: str) -> list[Match]:
    found: list[Match] = []
    for one in types:
        page = await page_aggregates(store.connection, one.context, one.type, prefix=prefix, limit=NEAR)
        found.extend(match_aggregate(store, store.layout, entry.aggregate, detail=f"at v{entry.version:,}") for entry in page.entries)
        if len(found) >= NEAR:
            break
    return found[:NEAR]


def _match_type(store: Store, layout: Layout, context: str, type: str) -> Match:
    name = f"{context}.{type}"
    if observed_by(store):
        pattern = layout.first_of_each(context=context, aggregate=type) if layout.is_chained else layout.subjects
        return match_filtered(store, layout.stream, pattern, kind="Type", name=name, detail=f"first events in {layout.stream}")
    return Match(kind="Type", name=name, address=reverse("aggregates:type", args=[context, type]))


def _match_stream(store: Store, stream: StreamInfo) -> Match:
    address = address_at(observed_by(store), "streams:stream", stream.name)
    return Match(kind="Stream", name=stream.name, address=address, detail=f"{stream.messages:,} messages")


def _projections() -> list[Match]:
    return [
        Match(kind="Projection", name=one.name, address=reverse("projections:projection", args=[one.name]), detail=one.title)
        for one in registry().projections.values()
    ]


async def _consumers(store: Store, streams: list[StreamInfo]) -> list[Match]:
    found: list[Match] = []
    for stream in [stream for stream in streams if stream.consumers][:STREAMS_ASKED]:
        address = address_at(observed_by(store), "streams:consumers", stream.name)
        consumers = await list_consumers(store.connection, stream.name)
        found.extend(Match(kind="Consumer", name=f"{stream.name}:{one.name}", address=address) for one in consumers)
    return found
