"""This module is the living orders as the demo sees them: folded from the events that fly by, so that it asks only for what makes sense.

It is a picture, not the truth: an event that was missed or a command that was refused drops the order from it, and nobody is harmed.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from random import Random

from apps.persistence.errors import EncodingError, InvalidEvent, InvalidInput
from apps.persistence.events import AggregateRef, Event, State, fold, new_id
from apps.persistence.store import EVENTS, CoreMessage, Layout, Store, load, subjects_matching
from apps.persistence.work.commands import read_notice

from ..orders import ORDER, ORDER_MACHINE, OrderStatus, lines_of, status_of
from . import catalogue
from .steps import Step
from .stories import reservations, shipments

FIRST_LIVING = 10_001
"""Living orders are numbered from here, above all that are played from stories."""
MAX_ACTIVE = 30
MAX_CUSTOMERS = 300
PATIENCE_SECONDS = 30.0
_PREFIX = "o-"


@dataclass(slots=True)
class Living:
    """An order in the making. While `waits_until` lies ahead, a command to it is on its way."""

    ref: AggregateRef
    correlation: str
    state: State
    version: int = 0
    waits_until: float = 0.0


class World:
    """What the demo knows of its living orders; `refused` counts its commands that were refused."""

    def __init__(self) -> None:
        self.active: dict[str, Living] = {}
        self.follow_ups: deque[tuple[Step, str]] = deque()
        self.customers = catalogue.CUSTOMER_COUNT
        self.refused = 0
        self._next_order = FIRST_LIVING
        self._sent: dict[str, str] = {}

    async def recall(self, store: Store) -> None:
        """Find the newest living orders of earlier runs, and the next free numbers."""
        layout = store.layout
        orders = await subjects_matching(store.connection, layout.stream, layout.first_of_each(context="sales", aggregate="order"))
        numbers = sorted(number for subject in orders if (number := _number_of(layout, subject)) >= FIRST_LIVING)
        self._next_order = numbers[-1] + 1 if numbers else FIRST_LIVING
        for number in numbers[-MAX_ACTIVE:]:
            history = await load(store, catalogue.order_ref(f"{_PREFIX}{number:05}"))
            self._take_up([stored.event for stored in history.events])
        customers = await subjects_matching(store.connection, layout.stream, layout.first_of_each(context="people", aggregate="customer"))
        self.customers = max(self.customers, len(customers))

    def begin_order(self) -> Living:
        """A new order, which nobody has created yet."""
        living = Living(catalogue.order_ref(f"{_PREFIX}{self._next_order:05}"), new_id(), {})
        self._next_order += 1
        self.active[living.ref.id] = living
        return living

    def begin_customer(self) -> Step | None:
        """The registration of a new customer, or None when there are enough."""
        if self.customers >= MAX_CUSTOMERS:
            return None
        self.customers += 1
        return catalogue.registration(self.customers)

    def pick(self, rng: Random) -> Living | None:
        """An order to which no command is on its way."""
        moment = time.monotonic()
        ready = [living for living in self.active.values() if living.version and living.waits_until < moment]
        return rng.choice(ready) if ready else None

    def note_sent(self, step: Step, command_id: str) -> None:
        """A command to `step.ref` is on its way."""
        living = self.active.get(step.ref.id)
        if living is not None:
            living.waits_until = time.monotonic() + PATIENCE_SECONDS
            self._sent[command_id] = living.ref.id

    def on_event(self, message: CoreMessage, layout: Layout = EVENTS) -> None:
        """An event flew by: if it is one of ours, follow it."""
        parts = layout.parse(message.subject)
        living = self.active.get(parts.entity) if parts and parts.aggregate == "order" else None
        if living is None:
            return
        before = status_of(living.state)
        try:
            event = Event.from_block(message.data)
            if event.version != living.version + 1:
                raise InvalidEvent(f"{event.aggregate} went from version {living.version} to {event.version}.")
            living.state = ORDER.apply(living.state, event)
        except (InvalidInput, EncodingError):
            del self.active[living.ref.id]
            return
        living.version, living.waits_until = event.version, 0.0
        self._sent.pop(event.causation or "", None)
        self._after(living, event, before)

    def on_notice(self, message: CoreMessage) -> str | None:
        """A command was refused: returns why, if it was ours; its order is left alone from now on."""
        try:
            notice = read_notice(message.data)
        except (InvalidInput, EncodingError):
            return None
        order_id = self._sent.pop(notice.command_id, None)
        if order_id is None:
            return None
        self.refused += 1
        self.active.pop(order_id, None)
        return f"{order_id}: {notice.reason}"

    def _take_up(self, events: list[Event]) -> None:
        state = fold(ORDER, events)
        status = status_of(state)
        if status is not None and not ORDER_MACHINE.is_final(status):
            last = events[-1]
            self.active[last.aggregate.id] = Living(last.aggregate, last.correlation, state, last.version)

    def _after(self, living: Living, event: Event, before: OrderStatus | None) -> None:
        """What follows elsewhere from an event of an order: its products are kept, sent or freed."""
        lines = {sku: line.pieces for sku, line in lines_of(living.state).items()}
        steps: list[Step] = []
        if event.type == "submitted":
            steps = reservations(living.ref, lines)
        elif event.type == "completed":
            steps = shipments(living.ref, lines)
        elif event.type == "cancelled" and before is not OrderStatus.DRAFT:
            steps = shipments(living.ref, lines, name="release")
        self.follow_ups.extend((step, living.correlation) for step in steps)
        if status_of(living.state) in (OrderStatus.COMPLETED, OrderStatus.CANCELLED):
            del self.active[living.ref.id]


def _number_of(layout: Layout, subject: str) -> int:
    parts = layout.parse(subject)
    digits = parts.entity.removeprefix(_PREFIX) if parts else ""
    return int(digits) if digits.isdigit() else 0
