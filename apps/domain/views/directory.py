"""This module is the read model of the organization: one model for each person, organization, agent, place, policy, document, workflow.

A model holds the aggregate's state, under `state`, and beside it the fields of its view. Both follow from the aggregate's own declaration,
so that a read model can never say anything else than the aggregate itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from apps.persistence.errors import InvalidInput
from apps.persistence.events import State, StoredEvent
from apps.persistence.projections.definition import Models, ProjectionDefinition, model_key

from .fields import VIEWS

_APPLY = {name: kind.definition().apply for name, (kind, _) in VIEWS.items()}


def keys(stored: StoredEvent) -> Sequence[str]:
    """The aggregate's own model, under its type."""
    ref = stored.event.aggregate
    return [model_key(ref.type, ref.id)]


def apply(stored: StoredEvent, models: Models) -> Models:
    """The model as its aggregate is after the event. Raises InvalidInput where the aggregate itself cannot apply it."""
    event, (key,) = stored.event, keys(stored)
    if event.aggregate.type not in VIEWS:
        raise InvalidInput(f"The organization has no read model of {event.aggregate}; skip the event, or extend the projection.")
    _, view = VIEWS[event.aggregate.type]
    state = _APPLY[event.aggregate.type](cast(State, (models.get(key) or {}).get("state") or {}), event)
    common = {name: state.get(name) for name in ("status", "created_at", "updated_at", "version")}
    return {key: {"id": event.aggregate.id, **view(state), **common, "state": state}}


ORGANIZATION_VIEWS = ProjectionDefinition(
    name="organization",
    version=1,
    title="Organization",
    description="Every person, organization, agent, place, policy, document and workflow as it is now, for the queries over them.",
    subjects=tuple(f"cim.events.{kind.id.context}.{kind.id.type}.>" for kind, _ in VIEWS.values()),
    keys=keys,
    apply=apply,
    demo=True,
)
