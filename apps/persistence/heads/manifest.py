"""This module is the bytes of a heads manifest: one block of DAG-CBOR that names the newest event of every aggregate of a stream.

    {"at": …, "heads": [[context, type, id, version, head CID, sequence], …], "format": "cim-heads/1", "stream": …, "sequence": …}

The rows are in order of context, type and id. A manifest of a million aggregates is written and read row by row, never held as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

from ..encoding import Cid, Value, decode, encode
from ..encoding.cid import is_ours
from ..errors import ContentDamaged, EncodingError

FORMAT = "cim-heads/1"
_FIELDS = 5
_ROW_KINDS = [str, str, str, int, Cid, int]
_ROW_FIELDS = len(_ROW_KINDS)
_LIST, _MAP, _TAG = 4, 5, 6
_WITH_CONTENT = (2, 3)
_MOST_ROW_BYTES = 4096
"""No row is longer: its texts are tokens of a subject."""


class HeadRow(NamedTuple):
    """The newest event of one aggregate: `key` is its name as context, type and id."""

    key: tuple[str, str, str]
    version: int
    cid: bytes
    sequence: int

    @property
    def name(self) -> str:
        """As context.type.id."""
        return ".".join(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a manifest says beside its rows; `at` is when the reading began."""

    stream: str
    sequence: int
    at: str


def manifest_parts(heading: Heading, count: int, rows: Iterable[HeadRow]) -> Iterator[bytes]:
    """The block in pieces; the same rows give the same bytes."""
    yield _header(_MAP, _FIELDS) + encode("at") + encode(heading.at) + encode("heads") + _header(_LIST, count)
    for row in rows:
        yield encode([*row.key, row.version, Cid(row.cid), row.sequence])
    yield encode("format") + encode(FORMAT) + encode("stream") + encode(heading.stream) + encode("sequence") + encode(heading.sequence)


class ManifestReader:
    """Takes the block piece by piece and gives its rows. Raises ContentDamaged for what is no manifest of `heading` with `count` rows."""

    def __init__(self, heading: Heading, count: int) -> None:
        first, *_, last = manifest_parts(heading, count, ())
        self._buffer = bytearray()
        self._head: bytes | None = first
        self._tail = last
        self._left = count
        self._last_key: tuple[str, str, str] | None = None

    def feed(self, data: bytes) -> list[HeadRow]:
        """The rows that are whole now."""
        self._buffer += data
        if self._head is not None:
            if len(self._buffer) < len(self._head):
                return []
            if not self._buffer.startswith(self._head):
                raise ContentDamaged("What is kept is no heads manifest of this stream, time and number of aggregates.")
            del self._buffer[: len(self._head)]
            self._head = None
        rows, at = [], 0
        while self._left and (end := _end_of_row(self._buffer, at)) is not None:
            rows.append(self._row(bytes(self._buffer[at:end])))
            self._left -= 1
            at = end
        del self._buffer[:at]
        return rows

    def finish(self) -> None:
        """The block ends here."""
        if self._head is not None or self._left or self._buffer != self._tail:
            raise ContentDamaged("What is kept does not end as a heads manifest does.")

    def _row(self, block: bytes) -> HeadRow:
        try:
            value = decode(block)
        except EncodingError as error:
            raise ContentDamaged(f"A row of the heads manifest cannot be read: {error}") from error
        row = _read_row(value)
        if row is None or (self._last_key is not None and row.key <= self._last_key):
            raise ContentDamaged(f"A row of the heads manifest is none, or not in its order: {str(value)[:120]}.")
        self._last_key = row.key
        return row


def _read_row(value: Value) -> HeadRow | None:
    kinds = (str, str, str, int, Cid, int)
    if (
        not isinstance(value, list)
        or len(value) != _ROW_FIELDS
        or any(type(one) is not kind for one, kind in zip(value, kinds, strict=True))
    ):
        return None
    context, type_, id_, version, cid, sequence = cast("tuple[str, str, str, int, Cid, int]", tuple(value))
    if not is_ours(cid.raw) or version < 1 or sequence < 1:
        return None
    return HeadRow((context, type_, id_), version, cid.raw, sequence)


def _end_of_row(buffer: bytearray, start: int) -> int | None:
    """Where the row that begins at `start` ends, or None where it is not all there yet. Raises ContentDamaged for what is no row."""
    try:
        at = start + 1
        if buffer[start] != 0x80 | _ROW_FIELDS:
            raise ContentDamaged("A row of the heads manifest has not its six fields.")
        for _ in range(_ROW_FIELDS):
            at = _end_of_item(buffer, at)
    except IndexError:
        at = len(buffer) + 1
    if at - start > _MOST_ROW_BYTES and len(buffer) - start > _MOST_ROW_BYTES:
        raise ContentDamaged("A row of the heads manifest is longer than any can be.")
    return at if at <= len(buffer) else None


def _end_of_item(buffer: bytearray, at: int) -> int:
    """The end of a number, a text, bytes or a link. Whether it is strict is seen when the row is decoded. Raises IndexError at the end."""
    while True:
        major, low = buffer[at] >> 5, buffer[at] & 0x1F
        more = 1 << (low - 24) if 24 <= low <= 27 else 0
        if at + 1 + more > len(buffer):
            raise IndexError
        argument = int.from_bytes(buffer[at + 1 : at + 1 + more], "big") if more else low
        at += 1 + more
        if major != _TAG:
            return at + argument if major in _WITH_CONTENT else at


def _header(major: int, argument: int) -> bytes:
    """The head of a list or map of so many."""
    if argument < 24:
        return bytes([major << 5 | argument])
    size = next(size for size in (1, 2, 4, 8) if argument < 1 << (8 * size))
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]]) + argument.to_bytes(size, "big")
