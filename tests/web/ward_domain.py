"""This module is a domain whose patients are encrypted, for the tests of pages."""

from __future__ import annotations

from apps.persistence.events import AggregateDefinition, Algorithm, Event, State
from apps.persistence.registry import Domain


def _apply(state: State, event: Event) -> State:
    return {**state, **event.payload}


PATIENT = AggregateDefinition(
    context="ward",
    type="patient",
    title="Patient",
    apply=_apply,
    summarise=lambda event: f"into ward {event.payload['ward']}",
    encryption=Algorithm.AES_256_GCM,
)

DOMAIN = Domain(name="ward", title="Ward", aggregates=(PATIENT,))
