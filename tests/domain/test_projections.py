"""The three projections, purely: an event and models in, changed models out."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apps.domain.projections import DISCOUNT_AUDIT, ORDER_SUMMARY, SEARCH_INDEX
from apps.persistence.encoding import decode, encode
from apps.persistence.errors import InvalidInput
from apps.persistence.events import StoredEvent
from apps.persistence.projections.definition import Model, Models, ProjectionDefinition
from tests.domain.given import AN_ID, stored

CUSTOMER = "people.customer.c-1"
LAMP = "stock.product.LAMP-042"
REGISTERED = stored("registered", {"name": "Ada Abel", "email": "ada@example.org"}, of=CUSTOMER)
LISTED = stored("listed", {"name": "Desk lamp", "cents": 1250, "currency": "EUR"}, of=LAMP)
CREATED = stored("created", {"customer": "c-1", "currency": "EUR"})
ADDED = stored("item_added", {"sku": "LAMP-042", "name": "Desk lamp", "pieces": 2, "unit_cents": 1250, "currency": "EUR"})
REMOVED = stored("item_removed", {"sku": "LAMP-042", "pieces": 1, "unit_cents": 1250, "currency": "EUR"})
DISCOUNTED = stored("discount_applied", {"percent": 10, "reason": "autumn sale"})
ADDRESSED = stored("address_set", {"street": "Mill Lane 4", "postcode": "20095", "city": "Hamburg", "country": "DE"})
SUBMITTED = stored("submitted", {"customer": "c-1", "pieces": 2, "total_cents": 2250, "currency": "EUR"})
STARTED = stored("processing_started", {"customer": "c-1"})
COMPLETED = stored("completed", {"customer": "c-1", "pieces": 2, "total_cents": 2250, "currency": "EUR"})
CANCELLED = stored("cancelled", {"customer": "c-1", "reason": "changed their mind"})


def project(definition: ProjectionDefinition, *events: StoredEvent) -> dict[str, Model | None]:
    """The models after these events, each given exactly the models that it names, as the runner does."""
    models: dict[str, Model | None] = {}
    for event in events:
        keys = definition.keys(event)
        given: Models = {key: models.get(key) for key in keys}
        changed = definition.apply(event, given)
        assert set(changed) <= set(keys), "a projection may only change the models that it names"
        models.update(changed)
    return models


# -- order summary -----------------------------------------------------------------------------------------------------------------


def test_summary_of_an_order_has_its_customers_name_and_its_total() -> None:
    models = project(ORDER_SUMMARY, REGISTERED, LISTED, CREATED, ADDED, DISCOUNTED, ADDRESSED)

    assert models["order.o-1"] == {
        "customer": "c-1",
        "customer_name": "Ada Abel",
        "status": "draft",
        "pieces": 2,
        "gross_cents": 2500,
        "discount_percent": 10,
        "total_cents": 2250,
        "currency": "EUR",
        "destination": "Hamburg, DE",
        "created_at": "2026-11-21T10:40:31.904218Z",
        "changed_at": "2026-11-21T10:40:31.904218Z",
    }


def test_discount_holds_for_items_that_come_later() -> None:
    models = project(ORDER_SUMMARY, CREATED, DISCOUNTED, ADDED, REMOVED)

    assert _fields(models, "order.o-1", "pieces", "gross_cents", "total_cents") == (1, 1250, 1125)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([SUBMITTED], "submitted"),
        ([SUBMITTED, STARTED], "processing"),
        ([SUBMITTED, STARTED, COMPLETED], "completed"),
        ([CANCELLED], "cancelled"),
    ],
)
def test_summary_shows_where_the_order_stands(events: list[StoredEvent], status: str) -> None:
    models = project(ORDER_SUMMARY, CREATED, ADDED, *events)

    assert _fields(models, "order.o-1", "status") == (status,)


def test_customer_has_spent_what_was_completed() -> None:
    models = project(ORDER_SUMMARY, REGISTERED, CREATED, ADDED, SUBMITTED, STARTED, COMPLETED)

    assert models["customer.c-1"] == {
        "name": "Ada Abel",
        "email": "ada@example.org",
        "is_active": True,
        "orders": 1,
        "open_orders": 0,
        "spent_cents": 2250,
    }


def test_customer_has_spent_nothing_on_a_cancelled_order() -> None:
    models = project(ORDER_SUMMARY, REGISTERED, CREATED, ADDED, CANCELLED)

    assert _fields(models, "customer.c-1", "orders", "open_orders", "spent_cents") == (1, 0, 0)


def test_customer_keeps_their_figures_when_their_email_changes() -> None:
    changed = stored("email_changed", {"email": "abel@example.org", "before": "ada@example.org"}, of=CUSTOMER)

    models = project(ORDER_SUMMARY, REGISTERED, CREATED, changed)

    assert _fields(models, "customer.c-1", "name", "email", "orders") == ("Ada Abel", "abel@example.org", 1)


def test_customer_who_is_not_known_yet_is_shown_by_their_id() -> None:
    models = project(ORDER_SUMMARY, CREATED)

    assert _fields(models, "order.o-1", "customer_name") == ("c-1",)


def test_product_joins_what_is_asked_for_and_what_is_sold() -> None:
    stock = [
        stored("restocked", {"pieces": 10}, of=LAMP),
        stored("reserved", {"order": "o-1", "pieces": 2}, of=LAMP),
        stored("shipped", {"order": "o-1", "pieces": 2}, of=LAMP),
    ]

    models = project(ORDER_SUMMARY, LISTED, CREATED, ADDED, *stock)

    assert models["product.LAMP-042"] == {
        "name": "Desk lamp",
        "cents": 1250,
        "currency": "EUR",
        "on_hand": 8,
        "reserved": 0,
        "sold": 2,
        "pieces_asked_for": 2,
    }


def test_statistics_have_the_average_price() -> None:
    rug = stored("listed", {"name": "Rug", "cents": 2750, "currency": "EUR"}, of="stock.product.RUG-1")

    models = project(ORDER_SUMMARY, LISTED, rug)

    assert models["product_stats.all"] == {"products": 2, "price_cents_sum": 4000, "average_price_cents": 2000}


def test_summary_stops_at_an_order_that_begins_in_the_middle() -> None:
    with pytest.raises(InvalidInput, match=r"sales\.order\.o-1 has submitted before created"):
        project(ORDER_SUMMARY, SUBMITTED)


def test_summary_stops_at_an_event_that_it_does_not_know() -> None:
    with pytest.raises(InvalidInput, match=r"does not know the event exploded of sales\.order\.o-1"):
        project(ORDER_SUMMARY, stored("exploded", {}))


# -- search index ------------------------------------------------------------------------------------------------------------------


def test_index_finds_an_aggregate_by_the_words_of_all_its_events() -> None:
    models = project(SEARCH_INDEX, CREATED, ADDED)

    assert models["order.o-1"] == {
        "aggregate": "sales.order.o-1",
        "words": ["c-1", "desk", "eur", "lamp", "lamp-042"],
        "newest_event": "item_added",
        "changed_at": "2026-11-21T10:40:31.904218Z",
    }


def test_index_is_slow_on_purpose() -> None:
    assert SEARCH_INDEX.rate_limit == 40.0


# -- discount audit ----------------------------------------------------------------------------------------------------------------


def test_audit_keeps_each_discount_with_who_gave_it() -> None:
    models = project(DISCOUNT_AUDIT, DISCOUNTED)

    assert models == {
        f"discount.{AN_ID}": {
            "order": "o-1",
            "percent": 10,
            "reason": "autumn sale",
            "given_by": "ada",
            "given_at": "2026-11-21T10:40:31.904218Z",
        }
    }


def test_audit_accepts_a_discount_at_the_limit() -> None:
    assert len(project(DISCOUNT_AUDIT, stored("discount_applied", {"percent": 50, "reason": "last one"}))) == 1


def test_audit_stops_at_a_discount_above_the_limit_with_a_reason() -> None:
    with pytest.raises(InvalidInput) as stopped:
        project(DISCOUNT_AUDIT, stored("discount_applied", {"percent": 80, "reason": "clearance"}))

    assert str(stopped.value) == (
        "sales.order.o-1 was given a discount of 80 % (clearance); nobody may give more than 50 %. "
        "Have it approved and raise the limit, or skip this event with a note."
    )


# -- all -----------------------------------------------------------------------------------------------------------------------------

APPLIED = [
    (ORDER_SUMMARY, [REGISTERED, LISTED, CREATED, ADDED], DISCOUNTED),
    (SEARCH_INDEX, [CREATED, ADDED], DISCOUNTED),
    (DISCOUNT_AUDIT, [], DISCOUNTED),
]
NAMES = ["order-summary", "search-index", "discount-audit"]


@pytest.mark.parametrize(("definition", "before", "event"), APPLIED, ids=NAMES)
def test_applying_leaves_the_models_that_were_given_as_they_were(definition: Any, before: list[StoredEvent], event: StoredEvent) -> None:
    models = project(definition, *before)
    given = {key: models.get(key) for key in definition.keys(event)}
    copied = copy.deepcopy(given)

    definition.apply(event, given)

    assert given == copied


@pytest.mark.parametrize(("definition", "before", "event"), APPLIED, ids=NAMES)
def test_models_can_be_stored(definition: Any, before: list[StoredEvent], event: StoredEvent) -> None:
    models = project(definition, *before, event)

    assert decode(encode(models)) == models


@pytest.mark.parametrize("definition", [ORDER_SUMMARY, SEARCH_INDEX, DISCOUNT_AUDIT], ids=NAMES)
def test_projection_says_that_it_is_demo(definition: Any) -> None:
    assert definition.demo is True


def _fields(models: Models, key: str, *names: str) -> tuple[Any, ...]:
    model = models[key]
    assert model is not None
    return tuple(model[name] for name in names)
