"""This module is CBOR of any kind (RFC 8949) read for showing: tags and unusual forms stay, trailing bytes are refused."""

from __future__ import annotations

import struct
from typing import Any

from .tree import Literal, Pairs, Tagged, quote

DEEPEST = 128
LONGEST_BIGNUM = 64
_BREAK = object()
_SIMPLE = {20: False, 21: True, 22: None, 23: Literal("null", "undefined")}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}


class NotCbor(ValueError):
    """The bytes are not one well-formed CBOR item; the message says where and why."""


def read_cbor(data: bytes) -> Any:
    """The one item that `data` holds. Raises NotCbor."""
    reader = _Reader(data)
    value = reader.item(0)
    if reader.position < len(data):
        raise NotCbor(f"at byte {reader.position:,}: {len(data) - reader.position:,} more bytes after its end")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def item(self, depth: int) -> Any:
        """The next item; `_BREAK` is only for those that may end with one."""
        value = self.item_or_break(depth)
        if value is _BREAK:
            raise NotCbor(f"at byte {self.position - 1:,}: an end without a beginning")
        return value

    def item_or_break(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise NotCbor(f"at byte {self.position:,}: more than {DEEPEST} items inside each other")
        start = self.position
        head = self._take(1)[0]
        major, low = head >> 5, head & 31
        if major == 7:
            return self._simple(low, start)
        if low == 31:
            return self._endless(major, depth, start)
        return self._sized(major, self._argument(low, start), depth, start)

    def _sized(self, major: int, number: int, depth: int, start: int) -> Any:
        """An item whose head says its value or length."""
        if major < 2:
            return Literal("int", str(number if major == 0 else -1 - number))
        if major < 4:
            return self._string(major, number)
        if major == 6:
            return _tagged(number, self.item(depth + 1))
        if number > len(self.data) - self.position:
            raise NotCbor(f"at byte {start:,}: {number:,} entries are announced, and fewer bytes are left")
        if major == 4:
            return [self.item(depth + 1) for _ in range(number)]
        return Pairs((_key(self.item(depth + 1)), self.item(depth + 1)) for _ in range(number))

    def _take(self, count: int) -> bytes:
        if count > len(self.data) - self.position:
            raise NotCbor(f"at byte {self.position:,}: it ends in the middle of an item")
        taken = self.data[self.position : self.position + count]
        self.position += count
        return taken

    def _argument(self, low: int, start: int) -> int:
        if low < 24:
            return low
        if low > 27:
            raise NotCbor(f"at byte {start:,}: the length is written in a reserved way")
        return int.from_bytes(self._take(1 << (low - 24)))

    def _string(self, major: int, length: int) -> str | bytes:
        start = self.position
        octets = self._take(length)
        if major == 2:
            return octets
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotCbor(f"at byte {start + error.start:,}: a text that is not UTF-8") from error

    def _endless(self, major: int, depth: int, start: int) -> Any:
        """An item of unknown length, up to its end mark."""
        if major in (0, 1, 6):
            raise NotCbor(f"at byte {start:,}: a number cannot be without a length")
        items: list[Any] = []
        while (value := self.item_or_break(depth + 1)) is not _BREAK:
            if major in (2, 3) and not isinstance(value, bytes if major == 2 else str):
                raise NotCbor(f"at byte {start:,}: a string made of other things")
            items.append(value)
        if major == 2:
            return b"".join(items)
        if major == 3:
            return "".join(items)
        if major == 4:
            return items
        if len(items) % 2:
            raise NotCbor(f"at byte {start:,}: a map with a key and no value")
        return Pairs((_key(key), value) for key, value in zip(items[::2], items[1::2], strict=True))

    def _simple(self, low: int, start: int) -> Any:
        if low == 31:
            return _BREAK
        if low in _SIMPLE:
            return _SIMPLE[low]
        if low in _FLOATS:
            number = struct.unpack(_FLOATS[low], self._take(2 << (low - 25)))[0]
            return Literal("float", {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(number), repr(number)))
        if low > 27:
            raise NotCbor(f"at byte {start:,}: a reserved value")
        number = low if low < 24 else self._take(1)[0]
        if low == 24 and number < 32:
            raise NotCbor(f"at byte {start:,}: a simple value written in two bytes instead of one")
        return Literal("simple", f"simple({number})")


def _tagged(number: int, value: Any) -> Any:
    """Tags 2 and 3 are large integers; all others stay as they are."""
    if number in (2, 3) and isinstance(value, bytes) and len(value) <= LONGEST_BIGNUM:
        magnitude = int.from_bytes(value)
        return Literal("int", str(magnitude if number == 2 else -1 - magnitude))
    return Tagged(number, value)


def _key(value: Any) -> str:
    """A key of any kind as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return quote(str(value))
