"""Value objects: what they refuse, that they never change, and money to the cent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from apps.domain.values import Address, EmailAddress, Money, Percent, Quantity, Sku, Text
from apps.persistence.errors import InvalidInput

HAMBURG = {"street": Text("Mill Lane 4"), "postcode": Text("20095"), "city": Text("Hamburg")}


@pytest.mark.parametrize(
    ("value_type", "bad"),
    [
        (Text, ""), (Text, " x"), (Text, "two\nlines"), (Text, "x" * 201), (Text, 5),
        (Sku, "lamp-042"), (Sku, "L"), (Sku, "-LAMP"), (Sku, "LAMP 042"), (Sku, "L" * 33), (Sku, "LAMP.042"), (Sku, None),
        (Quantity, 0), (Quantity, -1), (Quantity, 1_000_001), (Quantity, 1.0), (Quantity, True), (Quantity, "3"),
        (Percent, 0), (Percent, 101), (Percent, 12.5), (Percent, True),
        (EmailAddress, "ada"), (EmailAddress, "ada@example"), (EmailAddress, "a@b@example.org"), (EmailAddress, "ada @example.org"),
        (EmailAddress, "@example.org"), (EmailAddress, ".ada@example.org"), (EmailAddress, "ada@example..org"),
    ],
)  # fmt: skip
def test_value_with_a_content_that_makes_no_sense_cannot_be_made(value_type: Any, bad: Any) -> None:
    with pytest.raises(InvalidInput):
        value_type(bad)


@pytest.mark.parametrize(("cents", "currency"), [(-1, "EUR"), (12.5, "EUR"), (True, "EUR"), (10**15 + 1, "EUR"), (1, "eur"), (1, "ZZZ")])
def test_amount_that_makes_no_sense_cannot_be_made(cents: Any, currency: str) -> None:
    with pytest.raises(InvalidInput):
        Money(cents, currency)


@pytest.mark.parametrize("country", ["", "de", "DEU", "D1", None])
def test_address_in_no_country_cannot_be_made(country: Any) -> None:
    with pytest.raises(InvalidInput, match="is no country"):
        Address(**HAMBURG, country=country)


@pytest.mark.parametrize(
    "value",
    [
        Text("x"), Sku("LAMP-042"), Quantity(1), Percent(1), Money(1, "EUR"), EmailAddress("ada.l@mail.example.org"),
        Address(**HAMBURG, country="DE"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_value_never_changes(value: Any) -> None:
    field = dataclasses.fields(value)[0].name

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, "other")


def test_error_shows_the_value_and_what_would_be_right() -> None:
    with pytest.raises(InvalidInput) as refused:
        Sku("lamp")

    assert str(refused.value) == "'lamp' is no SKU: 2 to 32 capital letters, digits and hyphens, such as LAMP-042."


def test_error_does_not_repeat_a_novel() -> None:
    with pytest.raises(InvalidInput) as refused:
        Text("x" * 10_000)

    assert len(str(refused.value)) < 250


def test_money_is_written_with_its_cents_and_currency() -> None:
    assert str(Money(123405, "CHF")) == "1,234.05 CHF"


def test_money_is_added_to_the_cent() -> None:
    assert Money(1999, "EUR").plus(Money(1, "EUR")) == Money(2000, "EUR")


def test_money_of_two_currencies_cannot_be_added() -> None:
    with pytest.raises(InvalidInput, match=r"1\.00 EUR and 1\.00 USD cannot be added"):
        Money(100, "EUR").plus(Money(100, "USD"))


def test_price_of_several_pieces_is_exact() -> None:
    assert Money(1999, "EUR").times(Quantity(3)) == Money(5997, "EUR")


def test_discount_is_rounded_down_to_whole_cents() -> None:
    assert Money(999, "EUR").less(Percent(15)) == Money(850, "EUR")
