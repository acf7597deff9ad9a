"""This module is how the example's events have changed: who cancelled an order is said since schema 2, and once for all by a migration.

The demo's long history is written as it was before, so that both schemas are there to be looked at.
"""

from __future__ import annotations

from dataclasses import replace

from apps.persistence.encoding import Value
from apps.persistence.events import Event, NewEvent, SchemaFlag, Upcaster
from apps.persistence.evolution import FIRST_VERSION, Migration, SchemaVersion, StreamChange, keep

CANCELLED_BY = "customer"


def _with_canceller(payload: dict[str, Value]) -> dict[str, Value]:
    return {**payload, "by": CANCELLED_BY}


WHO_CANCELLED = Upcaster(
    context="sales",
    aggregate="order",
    type="cancelled",
    from_schema=1,
    apply=_with_canceller,
    title="Before there was self-service, every cancellation was a customer's.",
)


def _without_canceller(payload: dict[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in payload.items() if name != "by"}


WHO_CANCELLED_FLAG = SchemaFlag(
    name="who-cancelled",
    title="Cancellations say who cancelled; without the flag they are written as before there was self-service.",
    context="sales",
    aggregate="order",
    type="cancelled",
    from_schema=1,
    downcast=_without_canceller,
)


def as_first_written(new: NewEvent) -> NewEvent:
    """An event as the first version of the shop wrote it."""
    if new.type != "cancelled":
        return new
    return replace(new, schema=1, payload=_without_canceller(dict(new.payload)))


def in_newest_schema(event: Event) -> list[NewEvent]:
    """The event as it is read today; events arrive here in their newest schema."""
    return [keep(event)]


NEWEST_SCHEMAS = Migration(
    id="write-newest-schemas",
    title="Write every event in its newest schema",
    from_version=FIRST_VERSION,
    to_version=SchemaVersion(1, 1),
    change=StreamChange(id="write-newest-schemas", transform=in_newest_schema, back=in_newest_schema),
    author="the order example",
    created="2026-11-21",
)
