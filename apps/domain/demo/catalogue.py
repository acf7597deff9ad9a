"""This module is the demo's names and things: customers, products and places, all invented, the same in every run."""

from __future__ import annotations

from random import Random

from apps.persistence.encoding import Value
from apps.persistence.events import AggregateRef

from .steps import Step

CURRENCY = "EUR"
FIRST_STOCK = 900_000

_PRODUCTS = (
    ("LAMP-010", "Desk lamp, brass", 7450), ("LAMP-020", "Floor lamp, oak", 18900), ("LAMP-030", "Reading lamp", 4990),
    ("CHAIR-110", "Office chair", 24900), ("CHAIR-120", "Folding chair", 3990), ("CHAIR-130", "Rocking chair", 32900),
    ("TABLE-210", "Kitchen table", 44900), ("TABLE-220", "Side table", 8900), ("TABLE-230", "Workbench", 51900),
    ("SHELF-310", "Book shelf, narrow", 11900), ("SHELF-320", "Book shelf, wide", 17900), ("SHELF-330", "Wall shelf", 2950),
    ("RUG-410", "Wool rug, small", 12900), ("RUG-420", "Wool rug, large", 34900), ("CLOCK-510", "Wall clock", 5900),
    ("CLOCK-520", "Alarm clock", 2490), ("VASE-610", "Vase, green glass", 3290), ("VASE-620", "Vase, stoneware", 4190),
    ("PLANT-710", "Rubber plant", 2790), ("PLANT-720", "Olive tree", 8990), ("CUP-810", "Coffee cup", 1290),
    ("CUP-820", "Tea bowl", 1690), ("BOARD-910", "Cutting board", 2390), ("BOARD-920", "Serving board", 3390),
)  # fmt: skip
_GIVEN = (
    "Ada",
    "Bruno",
    "Clara",
    "Dario",
    "Elif",
    "Finn",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Karin",
    "Luca",
    "Mira",
    "Noor",
    "Otto",
    "Pia",
)
_FAMILY = ("Abel", "Brandt", "Costa", "Dietrich", "Ekberg", "Fischer", "Gruber", "Haas", "Ivanova", "Jansen", "Keller", "Lind", "Moreau")
_PLACES = (
    ("20095", "Hamburg", "DE"), ("10115", "Berlin", "DE"), ("1010", "Wien", "AT"), ("8001", "Zürich", "CH"), ("75001", "Paris", "FR"),
    ("1012", "Amsterdam", "NL"), ("00184", "Roma", "IT"), ("28004", "Madrid", "ES"), ("11122", "Stockholm", "SE"),
)  # fmt: skip
_STREETS = ("Harbour Street", "Mill Lane", "Station Road", "Church Square", "Garden Row", "Bridge Street", "Castle Hill")
_DISCOUNTS = ((5, "returning customer"), (10, "autumn sale"), (15, "damaged packaging"), (20, "goodwill after late delivery"))
_REASONS = ("ordered by mistake", "found elsewhere", "takes too long", "card was declined", "changed their mind")

CUSTOMER_COUNT = 60


def order_ref(order_id: str) -> AggregateRef:
    """The aggregate of an order."""
    return AggregateRef("sales", "order", order_id)


def customer_ref(number: int) -> AggregateRef:
    """The aggregate of a demo customer, from number 1."""
    return AggregateRef("people", "customer", f"c-{number:04}")


def product_ref(sku: str) -> AggregateRef:
    """The aggregate of a product."""
    return AggregateRef("stock", "product", sku)


def skus() -> tuple[str, ...]:
    """The SKUs of all demo products."""
    return tuple(sku for sku, _, _ in _PRODUCTS)


def name_of(number: int) -> tuple[str, str]:
    """Given and family name of person `number`; they repeat after 208."""
    return _GIVEN[number % len(_GIVEN)], _FAMILY[number % len(_FAMILY)]


def registration(number: int) -> Step:
    """Customer `number` registers; names repeat, ids do not."""
    given, family = name_of(number)
    email = f"{given}.{family}.{number}@example.org".lower()
    return Step(customer_ref(number), "register", {"name": f"{given} {family}", "email": email})


def listing(sku: str) -> list[Step]:
    """A product is listed and stocked."""
    name, cents = next((name, cents) for code, name, cents in _PRODUCTS if code == sku)
    ref = product_ref(sku)
    return [
        Step(ref, "list", {"name": name, "price": {"cents": cents, "currency": CURRENCY}}),
        Step(ref, "restock", {"quantity": FIRST_STOCK}),
    ]


def any_item(rng: Random) -> dict[str, Value]:
    """The payload of an `add_item` of some product at its list price."""
    sku, name, cents = rng.choice(_PRODUCTS)
    return {"sku": sku, "name": name, "quantity": rng.randint(1, 6), "unit_price": {"cents": cents, "currency": CURRENCY}}


def any_address(rng: Random) -> dict[str, Value]:
    """The payload of a `set_address`."""
    postcode, city, country = rng.choice(_PLACES)
    return {"street": f"{rng.choice(_STREETS)} {rng.randint(1, 120)}", "postcode": postcode, "city": city, "country": country}


def any_discount(rng: Random) -> dict[str, Value]:
    """The payload of an `apply_discount` within what the audit allows."""
    percent, reason = rng.choice(_DISCOUNTS)
    return {"percent": percent, "reason": reason}


def any_reason(rng: Random) -> dict[str, Value]:
    """The payload of a `cancel`."""
    return {"reason": rng.choice(_REASONS)}
