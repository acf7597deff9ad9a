"""This module is the exact decoder: plain Python that reads strict DAG-CBOR and names the byte and place it refuses.

`codec` uses it wherever the fast path has any doubt, and tests use it as the measure of the fast path.
The rules are https://ipld.io/specs/codecs/dag-cbor/spec/.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from ..errors import EncodingError, InvalidCid
from .cid import Cid, split_cid
from .exact_encoder import BYTES, TEXT, sort_key
from .value import MAX_DEPTH, Value, format_path

_LINK_TAG_NUMBER = 42
_MAJOR_NAMES = ("an unsigned integer", "a negative integer", "a byte string", "text", "a list", "a map", "a tag", "a simple value or float")
_SIMPLE: dict[int, bool | None] = {20: False, 21: True, 22: None}
_REFUSED_SIMPLE = {
    23: "undefined is not allowed",
    24: "simple values other than false, true and null are not allowed",
    25: "a 16-bit float is not allowed, floats have 64 bits",
    26: "a 32-bit float is not allowed, floats have 64 bits",
    31: "a break code is not allowed, lengths are definite",
}


@dataclass(slots=True, kw_only=True)
class _Open:
    """A list or map that is still being read."""

    container: list[Value] | dict[str, Value]
    remaining: int
    step: str | int | None = None
    last_key: bytes | None = None


def decode_exactly(block: bytes) -> Value:
    """Read a block; raise EncodingError, naming byte and place, for what is not strict DAG-CBOR."""
    reader = _Reader(block)
    value = reader.read_item()
    while reader.open:
        innermost = reader.open[-1]
        if innermost.remaining == 0:
            reader.open.pop()
            continue
        innermost.remaining -= 1
        if isinstance(innermost.container, dict):
            key = reader.read_key(innermost)
            innermost.container[key] = reader.read_item()
        else:
            innermost.step = len(innermost.container)
            innermost.container.append(reader.read_item())
    reader.check_end()
    return value


class _Reader:
    """A block, the offset read so far, and the containers open there. It never recurses, so depth costs no stack."""

    def __init__(self, block: bytes) -> None:
        self.block = block
        self.offset = 0
        self.item_start = 0
        self.open: list[_Open] = []

    def read_item(self) -> Value:
        """Read one item; a list or map is returned empty and left open."""
        major, low = self._read_initial_byte()
        if major == 7:
            return self._read_simple(low)
        return _READERS[major](self, self._read_argument(low))

    def read_key(self, inside: _Open) -> str:
        """Read a map key and check that it follows the one before."""
        inside.step = None
        major, low = self._read_initial_byte()
        if major != TEXT:
            self.refuse(f"a map key is {_MAJOR_NAMES[major]}, only text is allowed")
        content = self._take(self._read_argument(low))
        key = self._to_text(content)
        if inside.last_key is not None and sort_key(content) <= sort_key(inside.last_key):
            fault = "occurs twice" if content == inside.last_key else "is out of order, shorter keys come first and then lower bytes"
            self.refuse(f"the map key {key[:40]!r} {fault}")
        inside.last_key = content
        inside.step = key
        return key

    def check_end(self) -> None:
        self.item_start = self.offset
        if self.offset != len(self.block):
            self.refuse(f"the value ends here, but the block goes on to byte {len(self.block):,}")

    def refuse(self, reason: str, cause: Exception | None = None) -> NoReturn:
        steps = [step for step in (container.step for container in self.open) if step is not None]
        place = f" ({format_path(steps)})" if steps else ""
        raise EncodingError(f"Not strict DAG-CBOR at byte {self.item_start:,}{place}: {reason}.") from cause

    def _read_initial_byte(self) -> tuple[int, int]:
        self.item_start = self.offset
        byte = self._take(1)[0]
        return byte >> 5, byte & 0x1F

    def _read_argument(self, low: int) -> int:
        if low < 24:
            return low
        if low > 27:
            self.refuse("an indefinite length is not allowed" if low == 31 else f"the additional information {low} is reserved")
        size = 1 << (low - 24)
        argument = int.from_bytes(self._take(size), "big")
        if argument < (24 if size == 1 else 1 << (4 * size)):
            self.refuse(f"the number {argument} is written in {size + 1} bytes, which is not the shortest form")
        return argument

    def _take(self, count: int) -> bytes:
        end = self.offset + count
        if end > len(self.block):
            self.refuse(f"the block is cut short, bytes needed: {count:,}, left: {len(self.block) - self.offset:,}")
        taken = self.block[self.offset : end]
        self.offset = end
        return taken

    def _read_simple(self, low: int) -> Value:
        if low in _SIMPLE:
            return _SIMPLE[low]
        if low != 27:
            self.refuse(_REFUSED_SIMPLE.get(low, f"the simple value {low} is not allowed"))
        (number,) = struct.unpack(">d", self._take(8))
        if not math.isfinite(number):
            self.refuse(f"the float {number} is not allowed, numbers are finite")
        if number == 0 and math.copysign(1, number) < 0:
            self.refuse("the float -0.0 is not allowed, zero is 0.0")
        return float(number)

    def _read_unsigned(self, argument: int) -> Value:
        return argument

    def _read_negative(self, argument: int) -> Value:
        return -1 - argument

    def _read_bytes(self, length: int) -> Value:
        return self._take(length)

    def _read_text(self, length: int) -> Value:
        return self._to_text(self._take(length))

    def _to_text(self, content: bytes) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            self.refuse(f"text is not UTF-8 at its byte {error.start:,}", cause=error)

    def _open_list(self, length: int) -> Value:
        return self._enter([], length, bytes_each=1)

    def _open_map(self, length: int) -> Value:
        return self._enter({}, length, bytes_each=2)

    def _enter(self, container: list[Value] | dict[str, Value], length: int, *, bytes_each: int) -> Value:
        if len(self.open) >= MAX_DEPTH:
            self.refuse(f"lists and maps are nested more than {MAX_DEPTH} deep")
        left = len(self.block) - self.offset
        if length * bytes_each > left:
            self.refuse(f"the declared number of items, {length:,}, does not fit into the bytes left: {left:,}")
        self.open.append(_Open(container=container, remaining=length))
        return container

    def _read_link(self, tag: int) -> Value:
        if tag != _LINK_TAG_NUMBER:
            self.refuse(f"tag {tag} is not allowed, only tag 42 for links")
        link_start = self.offset
        major, low = self._read_initial_byte()
        if major != BYTES:
            self.refuse(f"a link holds {_MAJOR_NAMES[major]}, it must hold a byte string")
        content = self._take(self._read_argument(low))
        self.item_start = link_start
        if not content.startswith(b"\x00"):
            self.refuse("a link does not begin with the byte 0x00")
        try:
            split_cid(content[1:])
        except InvalidCid as error:
            self.refuse(str(error).removesuffix("."), cause=error)
        return Cid(content[1:])


_READERS: tuple[Callable[[_Reader, int], Value], ...] = (
    _Reader._read_unsigned,
    _Reader._read_negative,
    _Reader._read_bytes,
    _Reader._read_text,
    _Reader._open_list,
    _Reader._open_map,
    _Reader._read_link,
)
