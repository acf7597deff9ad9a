"""This module is a domain for tests of archives that leave their events behind: baskets, and two read models that know every event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from apps.persistence.encoding import Value
from apps.persistence.events import StoredEvent
from apps.persistence.projections import Models, ProjectionDefinition
from apps.persistence.registry import Domain

from .baskets import BASKET


def basket_key(stored: StoredEvent) -> Sequence[str]:
    return (f"basket.{stored.event.aggregate.id}",)


def note_story(stored: StoredEvent, models: Models) -> Models:
    """Everything that ever happened to a basket, in order: no state says that."""
    (key,) = basket_key(stored)
    before = cast("list[Value]", (models[key] or {"story": []})["story"])
    return {key: {"story": [*before, stored.event.type]}}


def total_key(stored: StoredEvent) -> Sequence[str]:
    return ("total.all",)


def count_all(stored: StoredEvent, models: Models) -> Models:
    """How many things were ever added. Refuses what is unlucky."""
    if stored.event.payload.get("item") == "unlucky":
        raise ValueError("that is unlucky")
    before = models["total.all"] or {"added": 0}
    return {"total.all": {"added": cast(int, before["added"]) + (stored.event.type == "added")}}


STORIES = ProjectionDefinition(
    name="stories", version=1, title="Stories", subjects=("cim.events.shop.basket.>",), keys=basket_key, apply=note_story, rate_limit=50_000
)
TOTALS = ProjectionDefinition(
    name="totals", version=1, title="Totals", subjects=("cim.events.shop.basket.*.added.*",), keys=total_key, apply=count_all
)
DOMAIN = Domain(name="shop", title="Shop", aggregates=[BASKET], projections=[STORIES, TOTALS])
