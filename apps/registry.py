"""This module is what the packages of CIM_DOMAINS declare, imported once in each process, and where by it an aggregate's events lie."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from django.conf import settings

from apps.persistence.console import load_registry
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, FileKeys, Scope
from apps.persistence.log.trust import NO_TRUST, Trust
from apps.persistence.registry import Registry, StreamChanges
from apps.persistence.store import (
    CONSOLE,
    EVENTS,
    Connection,
    ConnectionSettings,
    Layout,
    Store,
    chained_generations,
    find_layout,
    serving_layout,
)
from apps.persistence.sync import Link

_Observed = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def registry() -> Registry:
    """All that the domains declare. Raises InvalidInput naming the package that cannot be used and why."""
    observed = tuple((name, tuple(sorted(fields.items()))) for name, fields in sorted(settings.CIM_OBSERVED.items()))
    changes = StreamChanges(are_allowed=bool(settings.CIM_STREAM_CHANGES), protected=tuple(settings.CIM_PROTECTED_STREAMS))
    links = tuple(Link(name=name, node=settings.CIM_NODE, layer=Scope(layer)) for name, layer in settings.CIM_LINKS.items())
    told = (settings.CIM_LOG_KEY, settings.CIM_WITNESS)
    return _load(tuple(settings.CIM_DOMAINS), changes, observed, links, settings.CIM_KEYS, told)


def informed(store: Store) -> Store:
    """The same store, reading by every declared layout and upcaster."""
    known = registry()
    return replace(store, layouts=known.layouts, upcasters=known.upcasters)


def trust_of(connection: Connection) -> Trust:
    """What this process was told of the log on a connection: of home's alone, as another installation has a log of its own."""
    return registry().trust if connection.name == "home" else NO_TRUST


def layout_for(ref: AggregateRef, stream: str = "") -> Layout:
    """Where the events of `ref` lie: in the stream that is named, else in that of its context. Raises InvalidInput."""
    known = registry()
    exact = find_layout(known.layouts, stream) if stream else None
    same = [layout for layout in known.layouts if layout.stream == stream]
    named = [layout.of_generation(1) if layout.is_chained else layout for layout in same] or ([exact] if exact else [])
    if stream and not named:
        raise InvalidInput(
            f"No layout describes the stream {stream[:80]!r}, so it has no aggregates; the domains of CIM_DOMAINS declare layouts. "
            f"There are {', '.join(layout.stream for layout in known.layouts)}."
        )
    if named:
        return next((layout for layout in named if _fits(layout, ref)), named[0])
    if ref.context == CONSOLE.context:
        return CONSOLE
    foreign = [layout for layout in known.layouts if not layout.is_chained and layout.context == ref.context and _fits(layout, ref)]
    return foreign[0] if foreign else EVENTS


def _fits(layout: Layout, ref: AggregateRef) -> bool:
    return layout.context in (None, ref.context) and layout.aggregate in (None, ref.type)


@cache
def _load(
    names: tuple[str, ...], changes: StreamChanges, observed: _Observed, links: tuple[Link, ...], keys: Path, told: tuple[str, str]
) -> Registry:
    loaded = load_registry(names, stream_changes=changes, keys=FileKeys(keys))
    loaded.observed = {name: ConnectionSettings(name=name, **dict(fields)) for name, fields in observed}
    loaded.links = {link.name: link for link in links}
    loaded.trust = Trust.parse(log_key=told[0], witness=told[1])
    return loaded


def chained_layouts(store: Store) -> list[Layout]:
    """Every chained layout, each with the generations of its stream that there were, the newest that serves last."""
    return chained_generations(store.connection, registry().layouts)


def is_serving_events(store: Store, layout: Layout) -> bool:
    """Whether a layout is CIM-EVENTS in the generation that serves, which is what directories and indexes know."""
    return serving_layout(store.connection, layout) == serving_layout(store.connection, EVENTS)
