"""This package is the location: a place on earth, on a platform, or in thought."""

from .aggregate import LOCATION
from .places import Coordinates, LocationType, PostalAddress, VirtualLocation, distance_in_metres
from .status import LOCATION_MACHINE, LocationStatus

__all__ = [
    "LOCATION",
    "LOCATION_MACHINE",
    "Coordinates",
    "LocationStatus",
    "LocationType",
    "PostalAddress",
    "VirtualLocation",
    "distance_in_metres",
]
