"""This module is the one order of values: every value as bytes that compare as the values do, whatever their types.

Nothing and what is missing come first, then false, true, numbers, text, bytes, and last everything else by its block. Two values are equal
exactly where their bytes are: 1 and 1.0 are, 1 and true are not. Filters, sorts and local indexes all go by these bytes.
"""

from __future__ import annotations

import struct

from ..encoding import Value, encode

NOTHING, FALSE, TRUE, NUMBER, TEXT, BYTES, OTHER = (bytes([place]) for place in range(1, 8))
_BOOLEANS = (FALSE, TRUE)
_REST_MIDDLE = 1 << 15


def order_key(value: Value) -> bytes:
    """The bytes of `value`; those of several values may be joined, and then compare one after the other."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, int | float):
        return NUMBER + _number(value)
    if isinstance(value, str):
        return TEXT + _ended(value.encode())
    if isinstance(value, bytes):
        return BYTES + _ended(value)
    return OTHER + _ended(encode(value))


def is_comparable(one: bytes, other: bytes) -> bool:
    """Whether two values are of one kind, so that one may be said to be less than the other."""
    kind = one[:1]
    return kind == other[:1] if kind not in _BOOLEANS else other[:1] in _BOOLEANS


def field_of(model: Value, path: str) -> Value:
    """The field `lines.0.price` of a model: keys of maps and places of lists, joined by dots; None where there is none."""
    value = model
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _number(value: int | float) -> bytes:
    """The nearest float, turned so that its bytes order it, and what an integer beyond 53 bits is away from it."""
    nearest = float(value)
    rest = value - int(nearest) if isinstance(value, int) else 0
    (bits,) = struct.unpack(">Q", struct.pack(">d", nearest))
    turned = bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63)
    return struct.pack(">QH", turned, rest + _REST_MIDDLE)


def _ended(text: bytes) -> bytes:
    return text.replace(b"\0", b"\0\xff") + b"\0\0"
