"""This module is the fulfilment of an order as a saga: taken on, paid, reserved in stock, shipped, completed; undone where it fails.

It begins by the command `begin` of `sales.fulfilment.{order}` with `{order, sku, quantity, cents, currency}`. The bank answers by the
commands `confirm` or `decline` of `sales.payment.{order}`.
"""

from __future__ import annotations

from apps.persistence.encoding import Value
from apps.persistence.events import AggregateRef

from ..sagas import Retry, Saga, SagaCommand, Step
from ..sagas.definition import MakeCommand, Said
from ..stored import number, text

BANK_SECONDS = 900.0


def _order(name: str, **payload: Value) -> MakeCommand:
    return lambda said: SagaCommand(aggregate=AggregateRef("sales", "order", text(said, "order")), name=name, payload=payload)


def _payment(said: Said, name: str, **payload: Value) -> SagaCommand:
    return SagaCommand(aggregate=AggregateRef("sales", "payment", text(said, "order")), name=name, payload=payload)


def _request_payment(said: Said) -> SagaCommand:
    amount: dict[str, Value] = {"cents": number(said, "cents"), "currency": text(said, "currency")}
    return _payment(said, "request", order=text(said, "order"), amount=amount)


def _stock(said: Said, name: str, **payload: Value) -> SagaCommand:
    ref = AggregateRef("stock", "product", text(said, "sku"))
    return SagaCommand(aggregate=ref, name=name, payload={"order": text(said, "order"), **payload})


FULFILMENT = Saga(
    context="sales",
    type="fulfilment",
    title="Fulfilment",
    steps=(
        Step(
            name="take_on",
            command=_order("start_processing"),
            compensation=_order("cancel", reason="it could not be fulfilled"),
        ),
        Step(
            name="payment",
            command=_request_payment,
            compensation=lambda said: _payment(said, "release"),
            done_on=("confirmed",),
            failed_on=("declined",),
            timeout_seconds=BANK_SECONDS,
            retry=Retry(attempts=2, first_seconds=30),
        ),
        Step(
            name="stock",
            command=lambda said: _stock(said, "reserve", quantity=number(said, "quantity")),
            compensation=lambda said: _stock(said, "release"),
        ),
        Step(name="shipment", command=lambda said: _stock(said, "ship")),
        Step(name="finish", command=_order("complete")),
    ),
    demo=True,
)
