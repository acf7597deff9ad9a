"""This module is where a place is: an address, a point on earth, or a room on a platform."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from apps.persistence.errors import InvalidInput

from ..declared.records import Record
from ..values import FreeForm, Text, WebAddress

EARTH_RADIUS_METRES = 6_371_000.0
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


class LocationType(StrEnum):
    """What kind of a place it is."""

    PHYSICAL = "physical"
    VIRTUAL = "virtual"
    LOGICAL = "logical"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress(Record):
    """Where a letter arrives; `country` is two capital letters (ISO 3166)."""

    street1: Text
    street2: Text | None = None
    locality: Text
    region: Text
    country: Text
    postal_code: Text

    def check(self) -> None:
        if not _COUNTRY.fullmatch(self.country.text):
            raise InvalidInput(f"{self.country.text!r} is no country: use its two capital letters, such as DE.")

    def in_one_line(self) -> str:
        """The address as it is said: `Mill Lane 4, 20095 Hamburg, Hamburg, DE`."""
        street = f"{self.street1.text}, {self.street2.text}" if self.street2 else self.street1.text
        return f"{street}, {self.postal_code.text} {self.locality.text}, {self.region.text}, {self.country.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates(Record):
    """A point on earth, in degrees, and metres above it."""

    latitude: float
    longitude: float
    altitude: float | None = None
    coordinate_system: str = "WGS84"

    def check(self) -> None:
        if not -90 <= self.latitude <= 90:
            raise InvalidInput(f"The latitude {self.latitude:g} lies off the earth; it goes from -90 to 90.")
        if not -180 <= self.longitude <= 180:
            raise InvalidInput(f"The longitude {self.longitude:g} lies off the earth; it goes from -180 to 180.")


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualLocation(Record):
    """A place on a platform."""

    platform: Text
    platform_id: Text
    url: WebAddress | None = None
    platform_data: FreeForm | None = None


def distance_in_metres(one: Coordinates, other: Coordinates) -> float:
    """The way between two points over the round earth (haversine), whatever their altitude."""
    first, second = math.radians(one.latitude), math.radians(other.latitude)
    across = math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    share = math.sin((second - first) / 2) ** 2 + math.cos(first) * math.cos(second) * across
    return 2 * EARTH_RADIUS_METRES * math.asin(math.sqrt(min(1.0, share)))
