"""This module is the life of a location as a table: it holds until it is archived."""

from __future__ import annotations

from enum import StrEnum

from ..machine import StateMachine


class LocationStatus(StrEnum):
    """Where a location stands."""

    DEFINED = "defined"
    ARCHIVED = "archived"


LOCATION_MACHINE = StateMachine(
    what="location",
    transitions={LocationStatus.DEFINED: frozenset({LocationStatus.ARCHIVED}), LocationStatus.ARCHIVED: frozenset()},
)
