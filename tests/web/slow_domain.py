"""This module is a domain for the tests of runs that take a while: every order event, folded at forty a second."""

from __future__ import annotations

from apps.persistence.events import StoredEvent
from apps.persistence.projections import Models, ProjectionDefinition
from apps.persistence.registry import Domain


def keys(stored: StoredEvent) -> tuple[str, ...]:
    return (f"order.{stored.event.aggregate.id}",)


def apply(stored: StoredEvent, models: Models) -> Models:
    (key,) = keys(stored)
    return {key: {"version": stored.event.version}}


SLOW = ProjectionDefinition(
    name="slow-orders",
    version=1,
    title="Slow orders",
    subjects=("cim.events.stock.product.>",),
    keys=keys,
    apply=apply,
    rate_limit=40,
)
DOMAIN = Domain(name="slow", title="Slow", projections=(SLOW,))
