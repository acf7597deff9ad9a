"""This module is two values of a key compared: field by field where both are JSON or DAG-CBOR, else line by line of their text or bytes."""

from __future__ import annotations

import json
from difflib import SequenceMatcher
from typing import cast

from apps.display.differences import MAX_LINES, Line, Lines, compare
from apps.persistence.encoding import Value, decode
from apps.persistence.errors import EncodingError

COMPARED_BYTES = 256 * 1024
_BYTES_IN_LINE = 16


def compare_bytes(before: bytes, after: bytes) -> Lines:
    """The newer value with what differs marked; no lines where both are the same bytes."""
    if before == after:
        return Lines(lines=(), left_out=0, changes=0)
    try:
        return compare(_value(before), _value(after))
    except (EncodingError, ValueError, RecursionError):
        return compare_lines(_lines(before), _lines(after))


def compare_lines(before: list[str], after: list[str]) -> Lines:
    """Two texts. What is not shown is counted."""
    shown: list[Line] = []
    changes = 0
    for tag, i, j, k, m in SequenceMatcher(None, before, after).get_opcodes():
        if tag == "equal":
            shown += [Line(depth=0, key="", value=line) for line in before[i:j]]
            continue
        changes += 1
        shown += [Line(depth=0, key="", value=line, sign="-") for line in before[i:j]]
        shown += [Line(depth=0, key="", value=line, sign="+") for line in after[k:m]]
    return Lines(lines=tuple(shown[:MAX_LINES]), left_out=max(0, len(shown) - MAX_LINES), changes=changes)


def is_comparable(*values: bytes) -> bool:
    """Whether they are short enough to be held against each other while somebody waits."""
    return all(len(value) <= COMPARED_BYTES for value in values)


def _value(data: bytes) -> Value:
    """JSON, else DAG-CBOR. Raises ValueError or EncodingError for what is neither."""
    try:
        return cast(Value, json.loads(data))
    except UnicodeDecodeError:
        return decode(data)


def _lines(data: bytes) -> list[str]:
    """The lines of a text, or of the bytes in hexadecimal; as many as can be shown."""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        lines = [f"{start:08x}  {data[start : start + _BYTES_IN_LINE].hex(' ')}" for start in range(0, len(data), _BYTES_IN_LINE)]
    return lines[:MAX_LINES]
