"""This module is the search index: the words by which orders, customers and products are found. It is slow on purpose.

Its rate limit stands for an outside system that takes only so much; behind it one sees lag, its trend and the time to catch up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from apps.persistence.encoding import Value
from apps.persistence.events import StoredEvent, format_time
from apps.persistence.projections.definition import Models, ProjectionDefinition, model_key

MAX_WORDS = 100
EVENTS_PER_SECOND = 40.0

_WORD = re.compile(r"\w[\w.@-]*\w")


def keys(stored: StoredEvent) -> Sequence[str]:
    """One entry for each aggregate, under its type."""
    ref = stored.event.aggregate
    return [model_key(ref.type, ref.id)]


def apply(stored: StoredEvent, models: Models) -> Models:
    """Add the words of the event's texts to the entry of its aggregate."""
    event, key = stored.event, keys(stored)[0]
    before = models.get(key) or {"words": []}
    words = {str(word) for word in _list(before["words"])}
    found = (word.lower() for text in event.payload.values() if isinstance(text, str) for word in _WORD.findall(text))
    entry: dict[str, Value] = {
        "aggregate": str(event.aggregate),
        "words": list[Value](sorted(words | set(found))[:MAX_WORDS]),
        "newest_event": event.type,
        "changed_at": format_time(event.time),
    }
    return {key: entry}


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


SEARCH_INDEX = ProjectionDefinition(
    name="search-index",
    version=1,
    title="Search index (slow on purpose)",
    description=f"Words of orders, customers and products, as for a search engine that takes only {EVENTS_PER_SECOND:g} events a second.",
    subjects=("cim.events.sales.order.>", "cim.events.people.customer.>", "cim.events.stock.product.>"),
    keys=keys,
    apply=apply,
    rate_limit=EVENTS_PER_SECOND,
    demo=True,
)
