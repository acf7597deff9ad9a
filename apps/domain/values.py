"""This module is value objects: small immutable values that cannot exist with a content that makes no sense.

To change one, make another and put it in its place. All raise InvalidInput, naming the value and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput

MAX_TEXT = 200
MAX_PROSE = 4_000
MAX_QUANTITY = 1_000_000
MAX_CENTS = 10**15
CURRENCIES = frozenset({"EUR", "GBP", "USD", "CHF"})

_SKU = re.compile(r"[A-Z0-9][A-Z0-9-]{1,31}", re.ASCII)
_EMAIL = re.compile(r"[^\s@.]+(?:\.[^\s@.]+)*@[^\s@.]+(?:\.[^\s@.]+)+")
_PHONE = re.compile(r"\+[1-9][0-9]{5,14}", re.ASCII)
_WEB = re.compile(r"https?://[^\s/?#@]+(?:[/?#]\S*)?")
_MIME = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Text:
    """One line for people: 1 to 200 characters, none of them a control character, no white space around."""

    text: str

    def __post_init__(self) -> None:
        text = self.text
        if type(text) is not str or not 1 <= len(text) <= MAX_TEXT or text != text.strip() or not text.isprintable():
            raise InvalidInput(f"{_shown(text)} cannot be used: give 1 to {MAX_TEXT} printable characters without space around them.")


@dataclass(frozen=True, slots=True)
class Sku:
    """How a product is named in the warehouse: `LAMP-042`."""

    code: str

    def __post_init__(self) -> None:
        if type(self.code) is not str or not _SKU.fullmatch(self.code):
            raise InvalidInput(f"{_shown(self.code)} is no SKU: 2 to 32 capital letters, digits and hyphens, such as LAMP-042.")


@dataclass(frozen=True, slots=True)
class Quantity:
    """How many pieces: a whole number from 1 to 1,000,000."""

    pieces: int

    def __post_init__(self) -> None:
        if type(self.pieces) is not int or not 1 <= self.pieces <= MAX_QUANTITY:
            raise InvalidInput(f"{_shown(self.pieces)} is no quantity: a whole number from 1 to {MAX_QUANTITY:,}.")


@dataclass(frozen=True, slots=True)
class Percent:
    """A whole percentage from 1 to 100."""

    percent: int

    def __post_init__(self) -> None:
        if type(self.percent) is not int or not 1 <= self.percent <= 100:
            raise InvalidInput(f"{_shown(self.percent)} is no percentage: a whole number from 1 to 100.")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the smallest unit of its currency; never a fraction of it."""

    cents: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.cents) is not int or not 0 <= self.cents <= MAX_CENTS:
            raise InvalidInput(f"{_shown(self.cents)} is no amount: whole cents from 0 to {MAX_CENTS:,}.")
        if self.currency not in CURRENCIES:
            raise InvalidInput(f"{_shown(self.currency)} is no currency here: use {', '.join(sorted(CURRENCIES))}.")

    def __str__(self) -> str:
        return f"{self.cents // 100:,}.{self.cents % 100:02} {self.currency}"

    def plus(self, other: Money) -> Money:
        """The sum. Raises InvalidInput for another currency."""
        if other.currency != self.currency:
            raise InvalidInput(f"{self} and {other} cannot be added; exchange one of them first.")
        return Money(self.cents + other.cents, self.currency)

    def times(self, quantity: Quantity) -> Money:
        """The price of so many."""
        return Money(self.cents * quantity.pieces, self.currency)

    def less(self, discount: Percent) -> Money:
        """What is left after a discount; the discount is rounded down to whole cents."""
        return Money(self.cents - self.cents * discount.percent // 100, self.currency)


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An address with one `@` and a domain with a dot."""

    text: str

    def __post_init__(self) -> None:
        if type(self.text) is not str or len(self.text) > MAX_TEXT or not _EMAIL.fullmatch(self.text):
            raise InvalidInput(f"{_shown(self.text)} is no e-mail address: write it like ada@example.org.")


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number as it is dialled from abroad (E.164): `+49 40 123456`; spaces are taken out."""

    text: str

    def __post_init__(self) -> None:
        number = self.text.replace(" ", "") if type(self.text) is str else ""
        if not _PHONE.fullmatch(number):
            raise InvalidInput(f"{_shown(self.text)} is no phone number: + and the country first, then digits, such as +49 40 1234567.")
        object.__setattr__(self, "text", number)


@dataclass(frozen=True, slots=True)
class Prose:
    """A text of several lines for people: 1 to 4,000 characters, no control characters but line breaks."""

    text: str

    def __post_init__(self) -> None:
        if type(self.text) is not str or not 1 <= len(self.text) <= MAX_PROSE or not self.text.replace("\n", "").isprintable():
            raise InvalidInput(f"{_shown(self.text)} cannot be used: give 1 to {MAX_PROSE:,} printable characters.")


@dataclass(frozen=True, slots=True)
class WebAddress:
    """Where something is found on the web: `https://example.org/…`."""

    text: str

    def __post_init__(self) -> None:
        if type(self.text) is not str or len(self.text) > MAX_TEXT or not _WEB.fullmatch(self.text):
            raise InvalidInput(f"{_shown(self.text)} is no web address: write it like https://example.org/place.")


@dataclass(frozen=True, slots=True)
class MimeType:
    """What kind of a file it is: `text/markdown`."""

    text: str

    def __post_init__(self) -> None:
        if type(self.text) is not str or not _MIME.fullmatch(self.text):
            raise InvalidInput(f"{_shown(self.text)} is no MIME type: write it like text/markdown.")


@dataclass(frozen=True, slots=True)
class FreeForm:
    """A map that the domain passes on as it is: settings, parameters, a context. It cannot be changed, only replaced."""

    values: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping) or not all(type(name) is str and name for name in self.values):
            raise InvalidInput(f"{_shown(self.values)} cannot be used: give a map with names.")
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where something is delivered; `country` is two capital letters (ISO 3166)."""

    street: Text
    postcode: Text
    city: Text
    country: str

    def __post_init__(self) -> None:
        if type(self.country) is not str or not _COUNTRY.fullmatch(self.country):
            raise InvalidInput(f"{_shown(self.country)} is no country: use its two capital letters, such as DE.")

    def to_value(self) -> dict[str, Value]:
        """The address as it stands in an event."""
        return {"street": self.street.text, "postcode": self.postcode.text, "city": self.city.text, "country": self.country}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
