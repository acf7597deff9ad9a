"""This module is reading what is stored: a field of a payload, state or model with the type that it was written with.

Raises KeyError or TypeError for a block that somebody else wrote differently; a fold says so as InvalidState, a projection stops.
"""

from __future__ import annotations

from collections.abc import Mapping

from apps.persistence.encoding import Value

Values = Mapping[str, Value]


def text(values: Values, name: str) -> str:
    """The text under `name`."""
    value = values[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, not text")
    return value


def number(values: Values, name: str) -> int:
    """The whole number under `name`."""
    value = values[name]
    if type(value) is not int:
        raise TypeError(f"{name} is {value!r}, not a whole number")
    return value


def inner(values: Values, name: str) -> dict[str, Value]:
    """The map under `name`."""
    value = values[name]
    if not isinstance(value, dict):
        raise TypeError(f"{name} is {value!r}, not a map")
    return value
