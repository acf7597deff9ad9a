"""This module is writing events to a file: what is selected decides every byte, so an interrupted export goes on where it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ..encoding import Value, cid_of, encode
from ..store import Message, ObjectWriter, Store, open_reader
from ..store.turns import Turns
from .car import write_header, write_section
from .lines import line_of
from .selection import Selection

MANIFEST_FORMAT = "cim-export/1"
PIECE_EVENTS = 500
"""So many are written at once; in between, the worker says that it is alive."""


class Format(StrEnum):
    """How events are written."""

    JSON_LINES = "jsonl"
    CAR = "car"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a file is made; a CAR begins with `manifest`, the block that says what it is."""

    format: Format
    manifest: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far an export is: the last sequence written, events so far, and the size of the file up to there."""

    sequence: int = 0
    events: int = 0
    offset: int = 0


OnPlace = Callable[[Place], Awaitable[None]]


async def write_events(
    source: Store, selection: Selection, target: ObjectWriter, on_place: OnPlace, *, shape: Shape, begin: Place
) -> Place:
    """Write what is selected behind `begin`, telling each place reached. A CAR begins with its manifest, which is its root."""
    out = _Continued(target, begin)
    place, turns = begin, Turns()
    if not begin.offset and shape.format is Format.CAR:
        await out.write(preamble(shape.manifest))
        place = Place(offset=out.offset)
    async with open_reader(
        source.connection,
        selection.stream,
        from_sequence=max(selection.first, begin.sequence + 1),
        to_sequence=selection.last,
        patterns=selection.patterns,
    ) as reader:
        async for messages in reader:
            for start in range(0, len(messages), PIECE_EVENTS):
                piece = messages[start : start + PIECE_EVENTS]
                await out.write(await _bytes_of(piece, shape.format, turns))
                place = Place(sequence=piece[-1].sequence, events=place.events + len(piece), offset=out.offset)
                await on_place(place)
    return place


def preamble(manifest: Mapping[str, Value]) -> bytes:
    """The header of a CAR, and its root: the block that says what the file is."""
    block = encode({"format": MANIFEST_FORMAT, **manifest})
    cid = cid_of(block)
    return write_header([cid]) + write_section(cid, block)


class _Continued:
    """Writes behind `begin`, leaving out what an interrupted attempt has stored beyond it."""

    def __init__(self, target: ObjectWriter, begin: Place) -> None:
        self.offset = begin.offset
        self._target = target
        self._left_out = target.size - begin.offset

    async def write(self, data: bytes) -> None:
        self.offset += len(data)
        left_out = min(self._left_out, len(data))
        self._left_out -= left_out
        if left_out < len(data):
            await self._target.write(data[left_out:])


def _section(message: Message) -> bytes:
    return write_section(cid_of(message.data), message.data)


async def _bytes_of(piece: Sequence[Message], format: Format, turns: Turns) -> bytes:
    made = bytearray()
    for message in piece:
        made += _PIECE[format](message)
        await turns.give_way()
    return bytes(made)


_PIECE: dict[Format, Callable[[Message], bytes]] = {Format.JSON_LINES: line_of, Format.CAR: _section}
