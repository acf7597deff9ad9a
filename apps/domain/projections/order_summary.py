"""This module is the order summary: orders, their customers and the products on them, joined from three kinds of aggregates.

Four kinds of models: `order` (with its customer's name), `customer` (with what they ordered and spent), `product` (with what was asked
for and sold) and one `product_stats.all`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from apps.persistence.errors import InvalidInput
from apps.persistence.events import Event, StoredEvent, format_time
from apps.persistence.projections.definition import Model, Models, ProjectionDefinition, model_key

from ..orders import OrderStatus
from ..stored import number, text
from ..values import Money, Percent

STATS_KEY = model_key("product_stats", "all")

_STATUS_AFTER = {
    "submitted": OrderStatus.SUBMITTED,
    "processing_started": OrderStatus.PROCESSING,
    "completed": OrderStatus.COMPLETED,
    "cancelled": OrderStatus.CANCELLED,
}
_NAMES_CUSTOMER = frozenset({"created", "completed", "cancelled"})
_NAMES_PRODUCT = frozenset({"item_added", "item_removed"})


def keys(stored: StoredEvent) -> Sequence[str]:
    """The aggregate's own model, and those of the customer or product that the event names."""
    event = stored.event
    found = [_own_key(event)]
    if event.aggregate.type == "order" and event.type in _NAMES_CUSTOMER:
        found.append(model_key("customer", text(event.payload, "customer")))
    if event.aggregate.type == "order" and event.type in _NAMES_PRODUCT:
        found.append(model_key("product", text(event.payload, "sku")))
    if event.aggregate.type == "product" and event.type == "listed":
        found.append(STATS_KEY)
    return found


def apply(stored: StoredEvent, models: Models) -> Models:
    """The models that change. Raises InvalidInput at an event of a type that it does not know."""
    event = stored.event
    change = _CHANGES.get((event.aggregate.type, event.type))
    if change is None:
        raise InvalidInput(f"The order summary does not know the event {event.type} of {event.aggregate}; extend it, or skip the event.")
    return change(event, models)


def _own_key(event: Event) -> str:
    return model_key(event.aggregate.type, event.aggregate.id)


def _order_created(event: Event, models: Models) -> Models:
    customer_id = text(event.payload, "customer")
    customer_key = model_key("customer", customer_id)
    customer = models.get(customer_key) or _new_customer(customer_id)
    order: Model = {
        "customer": customer_id,
        "customer_name": customer["name"],
        "status": OrderStatus.DRAFT.value,
        "pieces": 0,
        "gross_cents": 0,
        "discount_percent": 0,
        "total_cents": 0,
        "currency": text(event.payload, "currency"),
        "destination": "",
        "created_at": format_time(event.time),
        "changed_at": format_time(event.time),
    }
    ordered: Model = {**customer, "orders": number(customer, "orders") + 1, "open_orders": number(customer, "open_orders") + 1}
    return {_own_key(event): order, customer_key: ordered}


def _items_changed(event: Event, models: Models) -> Models:
    sign = 1 if event.type == "item_added" else -1
    pieces = sign * number(event.payload, "pieces")
    order, product_key = _order(event, models), model_key("product", text(event.payload, "sku"))
    product = models.get(product_key) or _new_product(text(event.payload, "sku"))
    changed = _priced(
        {
            **order,
            "pieces": number(order, "pieces") + pieces,
            "gross_cents": number(order, "gross_cents") + pieces * number(event.payload, "unit_cents"),
        }
    )
    return {_own_key(event): changed, product_key: {**product, "pieces_asked_for": number(product, "pieces_asked_for") + pieces}}


def _discounted(event: Event, models: Models) -> Models:
    return {_own_key(event): _priced({**_order(event, models), "discount_percent": number(event.payload, "percent")})}


def _addressed(event: Event, models: Models) -> Models:
    destination = f"{text(event.payload, 'city')}, {text(event.payload, 'country')}"
    return {_own_key(event): {**_order(event, models), "destination": destination}}


def _moved(event: Event, models: Models) -> Models:
    return {_own_key(event): {**_order(event, models), "status": _STATUS_AFTER[event.type].value}}


def _ended(event: Event, models: Models) -> Models:
    """Completed or cancelled: the customer has one open order less, and has spent what was completed."""
    customer_key = model_key("customer", text(event.payload, "customer"))
    customer = models.get(customer_key) or _new_customer(text(event.payload, "customer"))
    spent = number(event.payload, "total_cents") if event.type == "completed" else 0
    changed: Model = {
        **customer,
        "open_orders": number(customer, "open_orders") - 1,
        "spent_cents": number(customer, "spent_cents") + spent,
    }
    return {**_moved(event, models), customer_key: changed}


def _customer_changed(event: Event, models: Models) -> Models:
    customer = models.get(_own_key(event)) or _new_customer(event.aggregate.id)
    fields: Model = {name: event.payload[name] for name in ("name", "email") if name in event.payload}
    return {_own_key(event): {**customer, **fields, "is_active": event.type != "deactivated"}}


def _product_listed(event: Event, models: Models) -> Models:
    product = models.get(_own_key(event)) or _new_product(event.aggregate.id)
    stats = models.get(STATS_KEY) or {"products": 0, "price_cents_sum": 0}
    cents, count = number(event.payload, "cents"), number(stats, "products") + 1
    total = number(stats, "price_cents_sum") + cents
    listed: Model = {**product, "name": text(event.payload, "name"), "cents": cents, "currency": text(event.payload, "currency")}
    return {_own_key(event): listed, STATS_KEY: {"products": count, "price_cents_sum": total, "average_price_cents": total // count}}


def _stock_changed(event: Event, models: Models) -> Models:
    product = models.get(_own_key(event)) or _new_product(event.aggregate.id)
    on_hand, reserved, sold = _STOCK[event.type]
    pieces = number(event.payload, "pieces")
    changed: Model = {
        **product,
        "on_hand": number(product, "on_hand") + on_hand * pieces,
        "reserved": number(product, "reserved") + reserved * pieces,
        "sold": number(product, "sold") + sold * pieces,
    }
    return {_own_key(event): changed}


def _order(event: Event, models: Models) -> Model:
    order = models.get(_own_key(event))
    if order is None:
        raise InvalidInput(f"{event.aggregate} has {event.type} before created; its chain wants to be verified.")
    return {**order, "changed_at": format_time(event.time)}


def _priced(order: Model) -> Model:
    gross, percent = Money(number(order, "gross_cents"), text(order, "currency")), number(order, "discount_percent")
    return {**order, "total_cents": gross.less(Percent(percent)).cents if percent else gross.cents}


def _new_customer(customer_id: str) -> Model:
    return {"name": customer_id, "email": "", "is_active": True, "orders": 0, "open_orders": 0, "spent_cents": 0}


def _new_product(sku: str) -> Model:
    return {"name": sku, "cents": 0, "currency": "", "on_hand": 0, "reserved": 0, "sold": 0, "pieces_asked_for": 0}


_STOCK = {"restocked": (1, 0, 0), "reserved": (0, 1, 0), "released": (0, -1, 0), "shipped": (-1, -1, 1)}

_CHANGES: dict[tuple[str, str], Callable[[Event, Models], Models]] = {
    ("order", "created"): _order_created,
    ("order", "item_added"): _items_changed,
    ("order", "item_removed"): _items_changed,
    ("order", "discount_applied"): _discounted,
    ("order", "address_set"): _addressed,
    ("order", "submitted"): _moved,
    ("order", "processing_started"): _moved,
    ("order", "completed"): _ended,
    ("order", "cancelled"): _ended,
    ("customer", "registered"): _customer_changed,
    ("customer", "email_changed"): _customer_changed,
    ("customer", "deactivated"): _customer_changed,
    ("product", "listed"): _product_listed,
    ("product", "restocked"): _stock_changed,
    ("product", "reserved"): _stock_changed,
    ("product", "released"): _stock_changed,
    ("product", "shipped"): _stock_changed,
}

ORDER_SUMMARY = ProjectionDefinition(
    name="order-summary",
    version=1,
    title="Order summary",
    description="Every order with its status, total and customer, every customer with what they spent, every product with what was sold.",
    subjects=("cim.events.sales.order.>", "cim.events.people.customer.>", "cim.events.stock.product.>"),
    keys=keys,
    apply=apply,
    demo=True,
)
