"""This module is bytes as people read them: offset, hexadecimal, and the characters beside."""

from __future__ import annotations

from dataclasses import dataclass

BYTES_IN_LINE = 16
SHOWN_BYTES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HexDump:
    """The dump and how many bytes of it are not shown."""

    text: str
    size: int
    hidden: int


def dump(data: bytes, *, is_full: bool = False) -> HexDump:
    """Sixteen bytes a line, in two groups of eight; what is not printable ASCII stands as a dot."""
    shown = data if is_full else data[:SHOWN_BYTES]
    lines = [_line(shown, start) for start in range(0, len(shown), BYTES_IN_LINE)]
    return HexDump(text="\n".join(lines), size=len(data), hidden=len(data) - len(shown))


def _line(data: bytes, start: int) -> str:
    octets = data[start : start + BYTES_IN_LINE]
    left, right = octets[:8].hex(" "), octets[8:].hex(" ")
    characters = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in octets)
    return f"{start:08x}  {left:<23}  {right:<23}  {characters}"
