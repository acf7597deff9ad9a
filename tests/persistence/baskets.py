"""This module is a small aggregate for tests: a basket whose items are added, removed and renamed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apps.persistence.errors import InvalidState
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, NewEvent, State

BASKET_REF = AggregateRef("shop", "basket", "b1")


def apply(state: State, event: Event) -> State:
    items: Any = state["items"]
    if event.type == "added":
        return state | {"items": [*items, event.payload["item"]], "count": len(items) + 1}
    if event.type == "removed":
        if event.payload["item"] not in items:
            raise InvalidState(f"{event.payload['item']} is not in the basket.")
        left = [item for item in items if item != event.payload["item"]]
        return state | {"items": left, "count": len(left)}
    return state | {"name": event.payload["name"]}


BASKET = AggregateDefinition(context="shop", type="basket", title="Basket", apply=apply, initial={"items": [], "count": 0})
BASKET_2 = replace(BASKET, schema=2)


def added(item: str, *, actor: str = "web") -> NewEvent:
    return NewEvent(type="added", payload={"item": item}, actor=actor)


def removed(item: str) -> NewEvent:
    return NewEvent(type="removed", payload={"item": item})


def named(name: str, *, actor: str = "web") -> NewEvent:
    return NewEvent(type="named", payload={"name": name}, actor=actor)
