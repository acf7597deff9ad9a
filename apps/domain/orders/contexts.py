"""This module is what other contexts hear of orders: billing hears of what is to be paid, shipping of what is to be sent."""

from __future__ import annotations

from apps.persistence.encoding import Value
from apps.persistence.routing import ContextBridge, ContextMapping, Interest, bridging, on_payload


def _as_request(payload: dict[str, Value]) -> dict[str, Value]:
    return {"payer": payload["customer"], "amount_cents": payload["total_cents"], "currency": payload["currency"]}


def _as_withdrawal(payload: dict[str, Value]) -> dict[str, Value]:
    return {"payer": payload["customer"], "reason": payload["reason"]}


def _for_billing(payload: dict[str, Value]) -> dict[str, Value]:
    return _as_withdrawal(payload) if "reason" in payload else _as_request(payload)


BILLING = ContextMapping(
    source="sales",
    target="billing",
    aggregates={"order": "invoice"},
    event_types={"submitted": "requested", "cancelled": "withdrawn"},
    transform=on_payload(_for_billing),
)
SHIPPING = ContextMapping(
    source="sales",
    target="shipping",
    aggregates={"order": "parcel"},
    event_types={"processing_started": "announced"},
    transform=on_payload(lambda payload: {"receiver": payload["customer"]}),
)
ORDER_CONTEXTS = bridging(
    name="order-contexts",
    title="Orders in other contexts",
    description="Orders as billing and shipping speak of them.",
    bridge=ContextBridge(
        mappings=(BILLING, SHIPPING),
        interests=(
            Interest(target="billing", source="sales", event_type="submitted"),
            Interest(target="billing", source="sales", event_type="cancelled"),
            Interest(target="shipping", source="sales", event_type="processing_started"),
        ),
    ),
    demo=True,
)
