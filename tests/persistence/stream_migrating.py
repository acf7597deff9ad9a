"""This module is what the tests of stream migrations share: baskets, a transformation of their events, and what they look at."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from apps.persistence.events import AggregateRef, Event, Head, NewEvent, State, new_id
from apps.persistence.evolution import StreamChange, Work, keep
from apps.persistence.store import Message, Store, append, load, read_batch

from .baskets import BASKET, BASKET_REF, added, named, removed

OTHER = AggregateRef("shop", "basket", "b2")


def tidy(event: Event) -> list[NewEvent]:
    """Drops names, renames `added` to `put`, and splits what was added in pairs."""
    if event.type == "named":
        return []
    if event.type == "added":
        return [keep(event, type="put", payload={"item": item}) for item in str(event.payload["item"]).split("+")]
    return [keep(event)]


def untidy(event: Event) -> list[NewEvent]:
    return [keep(event, type="added")] if event.type == "put" else [keep(event)]


def apply(state: State, event: Event) -> State:
    items: Any = state["items"]
    if event.type in ("added", "put"):
        return state | {"items": [*items, *str(event.payload["item"]).split("+")]}
    if event.type == "removed":
        return state | {"items": [item for item in items if item != event.payload["item"]]}
    return state | {"name": event.payload["name"]}


TIDY = replace(BASKET, apply=apply, initial={"items": []})


def without_name(ref: AggregateRef, state: State) -> State:
    return {key: value for key, value in state.items() if key != "name"}


def change_of(store: Store, **given: Any) -> StreamChange:
    return StreamChange(**{"id": "tidy", "layout": store.declared, "transform": tidy, "back": untidy, "expected": without_name} | given)


def work_of(store: Store, **given: Any) -> Work:
    return Work(**{"store": store, "run": new_id(), "by": "ada", "definitions": {TIDY.key: TIDY}} | given)


async def all_of(store: Store, stream: str) -> list[Message]:
    return (await read_batch(store.connection, stream, from_sequence=1, limit=1000)).messages


async def fill(store: Store) -> Store:
    """Two baskets: seven events, of which two are names and one adds two things at once."""
    head = (await append(store, Head(aggregate=BASKET_REF), [added("tea"), named("for May"), added("cup+spoon")]))[-1].head
    other = (await append(store, Head(aggregate=OTHER), [named("empty"), added("jam")]))[-1].head
    await append(store, head, [removed("tea")])
    await append(store, other, [added("bread")])
    return store


async def items_of(store: Store, ref: AggregateRef = BASKET_REF) -> list[str]:
    return [f"{one.event.type} {one.event.payload.get('item', '')}" for one in (await load(store, ref)).events]


async def until_served_by(store: Store, stream: str) -> None:
    while store.layout.stream != stream:  # noqa: ASYNC110 - what another process knows has no event to wait for
        await asyncio.sleep(0.01)
