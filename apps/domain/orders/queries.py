"""This module is what can be asked about orders, answered from the order summary."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, KeyNotFound
from apps.persistence.projections import serving_bucket
from apps.persistence.read_models import QueryBuilder, ReadModelStore, SortDirection
from apps.persistence.store import Store
from apps.persistence.subjects import check_token

from ..cqrs import QuerySet, query
from .aggregate import ORDER
from .status import OrderStatus

PROJECTION = "order-summary"
MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOrder:
    """An order, with its customer's name and its total."""

    order: str

    def __post_init__(self) -> None:
        check_token(self.order, "an order's id")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindOrders:
    """Orders of a customer or of a status, the one that changed last first."""

    customer: str | None = None
    status: OrderStatus | None = None
    limit: int = field(default=50, metadata={"help": "How many at most."})

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST:
            raise InvalidInput(f"{self.limit} orders cannot be asked for; 1 to {MOST} can.")


async def one_order(store: Store, asked: OneOrder) -> Value:
    """Raises KeyNotFound."""
    models = ReadModelStore(connection=store.connection, bucket=await serving_bucket(store.connection, PROJECTION))
    found = await models.load("order", asked.order)
    if found is None:
        raise KeyNotFound(f"The order summary holds no order {asked.order}; it may not have come to its events yet.")
    return {"id": asked.order, **found.model}


async def find_orders(store: Store, asked: FindOrders) -> Value:
    """`total` counts all that there are, `orders` holds the first of them."""
    wanted = QueryBuilder("order.*")
    for name, value in (("customer", asked.customer), ("status", asked.status and asked.status.value)):
        wanted = wanted.filter(name, "eq", value) if value is not None else wanted
    models = ReadModelStore(connection=store.connection, bucket=await serving_bucket(store.connection, PROJECTION))
    found = await models.query(wanted.sort_by("changed_at", SortDirection.DESCENDING).limit(asked.limit).build())
    return {"total": found.total_count, "orders": [{"id": row.metadata.id, **row.model} for row in found.items]}


ORDER_QUERIES = QuerySet(context=ORDER.context, type=ORDER.type, queries=(query(OneOrder, one_order), query(FindOrders, find_orders)))
