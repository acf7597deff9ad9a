"""This module is what the packages of CIM_DOMAINS declare, imported once in each process, and where by it an aggregate's events lie."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from django.conf import settings

from apps.persistence.console import load_registry
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef
from apps.persistence.registry import Registry, StreamChanges
from apps.persistence.store import CONSOLE, EVENTS, ConnectionSettings, Layout, Store

_Observed = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def registry() -> Registry:
    """All that the domains declare. Raises InvalidInput naming the package that cannot be used and why."""
    observed = tuple((name, tuple(sorted(fields.items()))) for name, fields in sorted(settings.CIM_OBSERVED.items()))
    return _load(tuple(settings.CIM_DOMAINS), bool(settings.CIM_STREAM_CHANGES), tuple(settings.CIM_PROTECTED_STREAMS), observed)


def informed(store: Store) -> Store:
    """The same store, reading by every declared layout and upcaster."""
    known = registry()
    return replace(store, layouts=known.layouts, upcasters=known.upcasters)


def layout_for(ref: AggregateRef, stream: str = "") -> Layout:
    """Where the events of `ref` lie: in the stream that is named, else in that of its context. Raises InvalidInput."""
    known = registry()
    named = [layout for layout in known.layouts if layout.stream == stream]
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
def _load(names: tuple[str, ...], may_change_streams: bool, protected: tuple[str, ...], observed: _Observed) -> Registry:
    loaded = load_registry(names, stream_changes=StreamChanges(are_allowed=may_change_streams, protected=protected))
    loaded.observed = {name: ConnectionSettings(name=name, **dict(fields)) for name, fields in observed}
    return loaded
