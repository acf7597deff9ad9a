"""This module is the discount audit: every discount that was given; one above the audited limit stops it until somebody decides."""

from __future__ import annotations

from collections.abc import Sequence

from apps.persistence.errors import InvalidInput
from apps.persistence.events import StoredEvent, format_time
from apps.persistence.projections.definition import Model, Models, ProjectionDefinition, model_key

from ..stored import number, text

AUDITED_LIMIT = 50


def keys(stored: StoredEvent) -> Sequence[str]:
    """One model for each discount, named by its event."""
    return [model_key("discount", stored.event.id)]


def apply(stored: StoredEvent, models: Models) -> Models:
    """Record the discount. Raises InvalidInput above the audited limit."""
    event = stored.event
    percent, reason = number(event.payload, "percent"), text(event.payload, "reason")
    if percent > AUDITED_LIMIT:
        raise InvalidInput(
            f"{event.aggregate} was given a discount of {percent} % ({reason}); nobody may give more than {AUDITED_LIMIT} %. "
            "Have it approved and raise the limit, or skip this event with a note."
        )
    given = format_time(event.time)
    discount: Model = {"order": event.aggregate.id, "percent": percent, "reason": reason, "given_by": event.actor, "given_at": given}
    return {model_key("discount", event.id): discount}


DISCOUNT_AUDIT = ProjectionDefinition(
    name="discount-audit",
    version=1,
    title="Discount audit",
    description=f"Every discount given, by whom and why. It stops at one above {AUDITED_LIMIT} %, so that a person decides.",
    subjects=("cim.events.sales.order.*.discount_applied.*",),
    keys=keys,
    apply=apply,
    is_idempotent=True,
    demo=True,
)
