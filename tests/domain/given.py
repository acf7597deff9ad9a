"""This module is how domain tests begin: the state after some commands, events and stored events at a place of their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from apps.domain.customers import CUSTOMER, decide_customer
from apps.domain.orders import ORDER, decide_order
from apps.domain.products import PRODUCT, decide_product
from apps.persistence.encoding import Value, cid_of
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, NewEvent, Scope, State, StoredEvent, new_id
from apps.persistence.registry import Command
from apps.persistence.work.decide import Decide

Asked = tuple[str, dict[str, Value]]
WHEN = datetime(2026, 11, 21, 10, 40, 31, 904218, tzinfo=UTC)
AN_ID = "01930000-0000-7000-8000-000000000001"

LAMP: dict[str, Value] = {"sku": "LAMP-042", "name": "Desk lamp", "quantity": 2, "unit_price": {"cents": 1250, "currency": "EUR"}}
HOME: dict[str, Value] = {"street": "Mill Lane 4", "postcode": "20095", "city": "Hamburg", "country": "DE"}

CREATE: Asked = ("create", {"customer": "c-0001", "currency": "EUR"})
ADD: Asked = ("add_item", LAMP)
REMOVE: Asked = ("remove_item", {"sku": "LAMP-042", "quantity": 1})
DISCOUNT: Asked = ("apply_discount", {"percent": 10, "reason": "autumn sale"})
ADDRESS: Asked = ("set_address", HOME)
SUBMIT: Asked = ("submit", {})
START: Asked = ("start_processing", {})
COMPLETE: Asked = ("complete", {})
CANCEL: Asked = ("cancel", {"reason": "changed their mind"})

DRAFT = (CREATE, ADD, ADDRESS)
SUBMITTED = (*DRAFT, SUBMIT)
PROCESSING = (*SUBMITTED, START)
COMPLETED = (*PROCESSING, COMPLETE)
CANCELLED = (*DRAFT, CANCEL)


def command(name: str, payload: Mapping[str, Value]) -> Command:
    ref = AggregateRef("sales", "order", "o-1")
    return Command(id=new_id(), aggregate=ref, name=name, payload=dict(payload), actor="ada", correlation=new_id())


def ask_order(state: State, asked: Asked) -> list[NewEvent]:
    return list(decide_order(state, command(*asked)))


def ask_customer(state: State, asked: Asked) -> list[NewEvent]:
    return list(decide_customer(state, command(*asked)))


def ask_product(state: State, asked: Asked) -> list[NewEvent]:
    return list(decide_product(state, command(*asked)))


def order_after(*asked: Asked) -> State:
    return _after(ORDER, decide_order, asked)


def customer_after(*asked: Asked) -> State:
    return _after(CUSTOMER, decide_customer, asked)


def product_after(*asked: Asked) -> State:
    return _after(PRODUCT, decide_product, asked)


def event(event_type: str, payload: Mapping[str, Value], *, of: str = "sales.order.o-1", version: int = 1) -> Event:
    return Event(
        aggregate=AggregateRef.parse(of),
        version=version,
        type=event_type,
        schema=1,
        id=AN_ID,
        time=WHEN,
        actor="ada",
        correlation=AN_ID,
        causation=None,
        scope=Scope.CLUSTER,
        previous=None if version == 1 else cid_of(b"the event before"),
        payload=dict(payload),
        metadata={},
    )


def stored(event_type: str, payload: Mapping[str, Value], *, of: str = "sales.order.o-1") -> StoredEvent:
    made = event(event_type, payload, of=of)
    return StoredEvent(
        event=made,
        cid=cid_of(made.to_block()),
        stream="CIM-EVENTS",
        subject="",
        sequence=1,
        stored_at=WHEN,
        size=0,
        stored_schema=made.schema,
    )


def _after(definition: AggregateDefinition, decide: Decide, asked: tuple[Asked, ...]) -> State:
    state = dict(definition.initial)
    for name, payload in asked:
        for new in decide(state, command(name, payload)):
            state = definition.apply(state, event(new.type, new.payload, of=f"{definition.context}.{definition.type}.x-1"))
    return state
