"""This module is the exact encoder: plain Python that writes strict DAG-CBOR and names what it refuses.

`codec` uses it wherever the fast path has any doubt, and tests use it as the measure of the fast path.
The rules are https://ipld.io/specs/codecs/dag-cbor/spec/.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import EncodingError
from .cid import Cid, is_cid
from .value import GREATEST_ARGUMENT, MAX_DEPTH, Value, format_path

UNSIGNED, NEGATIVE, BYTES, TEXT, LIST, MAP = range(6)
LINK_TAG = b"\xd8\x2a"
FLOAT_HEAD = b"\xfb"

_SHORTEST = ((24, 0, ""), (2**8, 24, ">B"), (2**16, 25, ">H"), (2**32, 26, ">I"), (2**64, 27, ">Q"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an item lies: its step in the container around it."""

    around: _Place | None
    step: str | int
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """The bytes so far, and what is still to be written, next item last."""

    block: bytearray
    pending: list[tuple[object, _Place | None]]


def encode_exactly(value: Value) -> bytes:
    """Write a value; raise EncodingError, naming the place, for what strict DAG-CBOR cannot hold."""
    writer = _Writer(block=bytearray(), pending=[(value, None)])
    while writer.pending:
        item, place = writer.pending.pop()
        write = _WRITERS.get(type(item), _refuse_type)
        write(writer, item, place)
    return bytes(writer.block)


def sort_key(key: bytes) -> tuple[int, bytes]:
    """The order of map keys in DAG-CBOR: shorter first, then by bytes."""
    return len(key), key


def head(major: int, argument: int) -> bytes:
    """Write an item's head in the shortest form."""
    limit, low, layout = next(entry for entry in _SHORTEST if argument < entry[0])
    if limit == 24:
        return bytes([major << 5 | argument])
    return bytes([major << 5 | low]) + struct.pack(layout, argument)


def _write_none(writer: _Writer, item: None, place: _Place | None) -> None:
    writer.block.extend(b"\xf6")


def _write_bool(writer: _Writer, item: bool, place: _Place | None) -> None:
    writer.block.extend(b"\xf5" if item else b"\xf4")


def _write_int(writer: _Writer, item: int, place: _Place | None) -> None:
    major, argument = (UNSIGNED, item) if item >= 0 else (NEGATIVE, -1 - item)
    if argument > GREATEST_ARGUMENT:
        _refuse(f"An integer of {item.bit_length()} bits", place, "keep it within -2**64 and 2**64 - 1, or store it as text")
    writer.block.extend(head(major, argument))


def _write_float(writer: _Writer, item: float, place: _Place | None) -> None:
    if not math.isfinite(item) or (item == 0 and math.copysign(1, item) < 0):
        _refuse(f"The number {item}", place, "store a finite number, and 0.0 instead of -0.0")
    writer.block.extend(FLOAT_HEAD + struct.pack(">d", item))


def _write_bytes(writer: _Writer, item: bytes, place: _Place | None) -> None:
    writer.block.extend(head(BYTES, len(item)) + item)


def _write_text(writer: _Writer, item: str, place: _Place | None) -> None:
    content = _to_utf8(item, place)
    writer.block.extend(head(TEXT, len(content)) + content)


def _write_cid(writer: _Writer, item: Cid, place: _Place | None) -> None:
    if type(item.raw) is not bytes or not is_cid(item.raw):
        _refuse("A link whose bytes are no CID", place, "make it with Cid.parse, Cid.from_bytes or cid_of")
    writer.block.extend(LINK_TAG + head(BYTES, len(item.raw) + 1) + b"\x00" + item.raw)


def _write_list(writer: _Writer, item: list[Value], place: _Place | None) -> None:
    depth = _enter(place)
    writer.block.extend(head(LIST, len(item)))
    for index in reversed(range(len(item))):
        writer.pending.append((item[index], _Place(around=place, step=index, depth=depth)))


def _write_map(writer: _Writer, item: dict[str, Value], place: _Place | None) -> None:
    depth = _enter(place)
    writer.block.extend(head(MAP, len(item)))
    for key in item:
        if type(key) is not str:
            _refuse(f"A map key of type {type(key).__name__}", place, "use text keys of type str only")
    for key in sorted(item, key=lambda key: sort_key(_to_utf8(key, place)), reverse=True):
        inner = _Place(around=place, step=key, depth=depth)
        writer.pending.append((item[key], inner))
        writer.pending.append((key, inner))


def _enter(place: _Place | None) -> int:
    depth = (place.depth if place else 0) + 1
    if depth > MAX_DEPTH:
        _refuse(f"A list or map nested more than {MAX_DEPTH} deep", place, "flatten it, and look for a container that holds itself")
    return depth


def _to_utf8(text: str, place: _Place | None) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        _refuse(f"Text with a lone surrogate at character {error.start}", place, "store valid Unicode only", cause=error)


def _refuse_type(writer: _Writer, item: object, place: _Place | None) -> NoReturn:
    _refuse(
        f"A value of type {type(item).__name__}",
        place,
        "store None, bool, int, float, str, bytes, Cid, list or dict, and nothing derived from them",
    )


def _refuse(what: str, place: _Place | None, advice: str, *, cause: Exception | None = None) -> NoReturn:
    steps: list[str | int] = []
    while place is not None:
        steps.append(place.step)
        place = place.around
    raise EncodingError(f"{what} at {format_path(steps[::-1])} cannot be stored; {advice}.") from cause


_WRITERS: dict[type, Callable[[_Writer, Any, _Place | None], None]] = {
    type(None): _write_none,
    bool: _write_bool,
    int: _write_int,
    float: _write_float,
    bytes: _write_bytes,
    str: _write_text,
    Cid: _write_cid,
    list: _write_list,
    dict: _write_map,
}
