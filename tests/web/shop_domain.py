"""This module is a domain of a user's own for the tests of the aggregates pages: a tin that can break its definition, a foreign stream."""

from __future__ import annotations

from apps.persistence.events import AggregateDefinition, Event, State, Upcaster
from apps.persistence.registry import Domain
from apps.persistence.store import Layout


def _apply(state: State, event: Event) -> State:
    if event.type == "exploded":
        raise KeyError("lid")
    return {**state, **event.payload}


def _summarise(event: Event) -> str:
    return "now holds {holds}".format(**event.payload)


TIN = AggregateDefinition(context="shop", type="tin", title="Tin", apply=_apply, summarise=_summarise)

RELABELLED = Upcaster(context="shop", aggregate="tin", type="relabelled", from_schema=1, apply=lambda payload: {"label": payload["name"]})
PARCELS = Layout(stream="PARCELS", kind="foreign", root="parcels", context="shop", aggregate="parcel", pattern="parcels.{entity}.{event}")

DOMAIN = Domain(name="shop", title="Shop", aggregates=(TIN,), upcasters=(RELABELLED,), layouts=(PARCELS,))
