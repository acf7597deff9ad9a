"""This module is the demo's stories: for each order, all that will ever be asked of it and of the products on it. Pure, by number.

The same seed and number give the same story, so a demo that was stopped in the middle finds its place again.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import cast

from apps.persistence.encoding import Value
from apps.persistence.events import AggregateRef

from . import catalogue
from .steps import Step

MIN_EVENTS = 3
MAX_EVENTS = 200
MAX_RESERVED = 4
GIANT_ORDER = "wholesale-standing-order"
CLEARANCE_ORDER = "clearance-order"
CLEARANCE_DISCOUNT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The steps of one order in their order; steps of products stand among those of the order, which begin and end the story."""

    order: AggregateRef
    steps: tuple[Step, ...]


def order_story(seed: int, number: int, *, longest: int = MAX_EVENTS) -> Story:
    """Story `number` (from 1): 3 to `longest` events of its order, most of them short."""
    rng = Random(f"{seed}:{number}")
    length = min(longest, round(MIN_EVENTS + (MAX_EVENTS - MIN_EVENTS) * rng.random() ** 3))
    customer = catalogue.customer_ref(rng.randint(1, catalogue.CUSTOMER_COUNT))
    return _story(rng, f"o-{number:05}", customer, length)


def giant_story(seed: int, events: int) -> Story:
    """The one order with very many events: a standing order that is changed all the time."""
    return _story(Random(f"{seed}:giant"), GIANT_ORDER, catalogue.customer_ref(1), events)


def clearance_story(seed: int) -> Story:
    """The order whose discount is above what the discount audit allows."""
    rng, order = Random(f"{seed}:clearance"), catalogue.order_ref(CLEARANCE_ORDER)
    steps = [
        _create(order, catalogue.customer_ref(2)),
        Step(order, "add_item", catalogue.any_item(rng)),
        Step(order, "apply_discount", {"percent": CLEARANCE_DISCOUNT, "reason": "clearance of the old showroom"}),
        Step(order, "set_address", catalogue.any_address(rng)),
        Step(order, "submit", {}),
    ]
    return Story(order=order, steps=tuple(steps))


def _story(rng: Random, order_id: str, customer: AggregateRef, length: int) -> Story:
    order = catalogue.order_ref(order_id)
    ending = rng.choices(("open", "cancelled", "submitted", "processing", "completed"), (8, 12, 10, 10, 60))[0]
    closing = {"open": 0, "cancelled": 1, "submitted": 2, "processing": 3, "completed": 4}[ending]
    if length < closing + 2:
        ending, closing = "cancelled", 1
    lines: dict[str, int] = {}
    steps = [_create(order, customer)]
    while len(steps) < length - closing:
        steps.append(_change(rng, order, lines, is_last=len(steps) == length - closing - 1))
    return Story(order=order, steps=(*steps, *_ending(rng, order, ending, lines)))


def _create(order: AggregateRef, customer: AggregateRef) -> Step:
    return Step(order, "create", {"customer": customer.id, "currency": catalogue.CURRENCY})


def _change(rng: Random, order: AggregateRef, lines: dict[str, int], *, is_last: bool) -> Step:
    """The next change of a draft; the last one leaves something on it."""
    chance = rng.random()
    if not lines or (is_last and sum(lines.values()) < 2) or chance < 0.55:
        item = catalogue.any_item(rng)
        sku = str(item["sku"])
        lines[sku] = lines.get(sku, 0) + cast(int, item["quantity"])
        return Step(order, "add_item", item)
    if chance < 0.93 and not is_last:
        sku = rng.choice(sorted(lines))
        pieces = rng.randint(1, lines[sku])
        lines[sku] -= pieces
        if not lines[sku]:
            del lines[sku]
        return Step(order, "remove_item", {"sku": sku, "quantity": pieces})
    return Step(order, "apply_discount", catalogue.any_discount(rng))


def _ending(rng: Random, order: AggregateRef, ending: str, lines: dict[str, int]) -> list[Step]:
    if ending == "open":
        return []
    if ending == "cancelled":
        return [Step(order, "cancel", catalogue.any_reason(rng))]
    steps = [Step(order, "set_address", catalogue.any_address(rng)), Step(order, "submit", {})]
    if ending in ("processing", "completed"):
        steps += [*reservations(order, lines), Step(order, "start_processing", {})]
    if ending == "completed":
        steps += [*shipments(order, lines), Step(order, "complete", {})]
    return steps


def reservations(order: AggregateRef, lines: dict[str, int]) -> list[Step]:
    """The first products of an order are kept for it."""
    payloads: list[tuple[str, dict[str, Value]]] = [(sku, {"order": order.id, "quantity": lines[sku]}) for sku in sorted(lines)]
    return [Step(catalogue.product_ref(sku), "reserve", payload) for sku, payload in payloads[:MAX_RESERVED]]


def shipments(order: AggregateRef, lines: dict[str, int], *, name: str = "ship") -> list[Step]:
    """What was kept for an order leaves the house, or with `release` is free again."""
    return [Step(catalogue.product_ref(sku), name, {"order": order.id}) for sku in sorted(lines)[:MAX_RESERVED]]
