"""This module is a step: one command that the demo has carried out, before anything of it is stored."""

from __future__ import annotations

from typing import NamedTuple

from apps.persistence.encoding import Cid, Value
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, NewEvent, Scope, State, new_id, now
from apps.persistence.registry import Command
from apps.persistence.work.decide import Decide

from ..company import COMPANY
from ..customers import CUSTOMER, decide_customer
from ..orders import ORDER, decide_order
from ..products import PRODUCT, decide_product

ACTOR = "demo"

_DECIDERS: dict[tuple[str, str], tuple[AggregateDefinition, Decide]] = {
    ORDER.key: (ORDER, decide_order),
    CUSTOMER.key: (CUSTOMER, decide_customer),
    PRODUCT.key: (PRODUCT, decide_product),
    **{commands.definition.key: (commands.definition, commands.decided) for commands in COMPANY},
}


class Step(NamedTuple):
    """A command to one aggregate."""

    ref: AggregateRef
    name: str
    payload: dict[str, Value]

    def to_command(self, correlation: str) -> Command:
        """The command of this step, with a new id."""
        return Command(id=new_id(), aggregate=self.ref, name=self.name, payload=self.payload, actor=ACTOR, correlation=correlation)

    def decide(self, state: State) -> list[NewEvent]:
        """The events that the step causes in this state. Raises InvalidInput or InvalidState."""
        _, decide = _DECIDERS[self.ref.context, self.ref.type]
        return list(decide(state, self.to_command(new_id())))


def definition_of(ref: AggregateRef) -> AggregateDefinition:
    """How an aggregate of the demo is folded."""
    return _DECIDERS[ref.context, ref.type][0]


def to_event(new: NewEvent, ref: AggregateRef, *, version: int, previous: Cid | None) -> Event:
    """The event as it would be stored by the demo at this place of its chain."""
    event_id = new.id or new_id()
    return Event(
        aggregate=ref,
        version=version,
        type=new.type,
        schema=new.schema,
        id=event_id,
        time=now(),
        actor=ACTOR,
        correlation=new.correlation or event_id,
        causation=new.causation,
        scope=Scope.CLUSTER,
        previous=previous,
        payload=dict(new.payload),
        metadata={},
    )
