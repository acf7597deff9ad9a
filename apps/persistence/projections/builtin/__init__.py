"""This package is the projections that the console brings itself: the directory of aggregates, the index of events, newest states."""

from ..definition import ProjectionDefinition
from .aggregates import directory_of
from .directory import (
    AggregateEntry,
    AggregatePage,
    AggregateType,
    Changes,
    RecentPage,
    changed_aggregates,
    find_aggregate_entry,
    list_aggregate_types,
    page_aggregates,
    recent_aggregates,
)
from .event_index import events_by_correlation, find_by_cid, index_of
from .event_types import EventTypeCount, event_types_of, list_event_types
from .newest_state import NewestState, find_newest_state, find_newest_states, newest_state_projections

BUILTIN_PROJECTIONS: tuple[ProjectionDefinition, ...] = (directory_of(), index_of(), event_types_of())
"""Over CIM-EVENTS; `newest_state_projections` makes one more for each aggregate type that domains declare."""

__all__ = [
    "BUILTIN_PROJECTIONS",
    "AggregateEntry",
    "AggregatePage",
    "AggregateType",
    "Changes",
    "EventTypeCount",
    "NewestState",
    "RecentPage",
    "changed_aggregates",
    "directory_of",
    "event_types_of",
    "events_by_correlation",
    "find_aggregate_entry",
    "find_by_cid",
    "find_newest_state",
    "find_newest_states",
    "index_of",
    "list_aggregate_types",
    "list_event_types",
    "newest_state_projections",
    "page_aggregates",
    "recent_aggregates",
]
