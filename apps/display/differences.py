"""This module is two states beside each other as lines of text: what stayed, what one of them has and the other lacks.

Keys are in alphabetical order, so that a state looks the same however it was folded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from apps.persistence.encoding import Cid, Value, encode

MAX_LINES = 2_000
_MAX_MATCHED = 400

Sign = Literal["", "+", "-"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. `sign` says on which side it stands alone; `word` says once for each change what it is. `link` is where its value leads."""

    depth: int
    key: str
    value: str
    tail: str = ""
    sign: Sign = ""
    word: str = ""
    link: str = ""

    @property
    def indent(self) -> str:
        return "  " * self.depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A state as text; `left_out` counts the lines beyond the limit, `changes` how many fields differ."""

    lines: tuple[Line, ...]
    left_out: int
    changes: int


def compare(before: Value, after: Value) -> Lines:
    """`after` as text, with what differs from `before` marked."""
    return _limited(list(_both(before, after, depth=0, key="", tail="")))


def show(value: Value) -> Lines:
    """One value as text, nothing marked."""
    return _limited(list(_one(value, depth=0, key="", tail="", sign="")))


def text_of(value: Value) -> str:
    """A value in one line, exact, cut at 200 characters."""
    words = _text(value)
    return words if len(words) <= 200 else f"{words[:199]}…"


def _limited(lines: list[Line]) -> Lines:
    changes = sum(1 for line in lines if line.word)
    return Lines(lines=tuple(lines[:MAX_LINES]), left_out=max(0, len(lines) - MAX_LINES), changes=changes)


def _both(before: Value, after: Value, *, depth: int, key: str, tail: str) -> Iterator[Line]:
    if _same(before, after):
        yield from _one(after, depth=depth, key=key, tail=tail, sign="")
    elif isinstance(before, dict) and isinstance(after, dict) and (before or after):
        yield from _maps(before, after, depth=depth, key=key, tail=tail)
    elif isinstance(before, list) and isinstance(after, list) and before and after:
        yield from _lists(before, after, depth=depth, key=key, tail=tail)
    else:
        yield from _one(before, depth=depth, key=key, tail=tail, sign="-")
        yield from _marked(_one(after, depth=depth, key=key, tail=tail, sign="+"), "changed")


def _maps(before: dict[str, Value], after: dict[str, Value], *, depth: int, key: str, tail: str) -> Iterator[Line]:
    yield Line(depth=depth, key=key, value="{")
    names = sorted(before.keys() | after.keys())
    last = max(after, default=None)
    for name in names:
        comma = "" if name == last or last is None or name > last else ","
        label = f"{json.dumps(name, ensure_ascii=False)}: "
        if name not in after:
            yield from _marked(_one(before[name], depth=depth + 1, key=label, tail=comma, sign="-"), "removed")
        elif name not in before:
            yield from _marked(_one(after[name], depth=depth + 1, key=label, tail=comma, sign="+"), "added")
        else:
            yield from _both(before[name], after[name], depth=depth + 1, key=label, tail=comma)
    yield Line(depth=depth, key="", value="}", tail=tail)


def _lists(before: list[Value], after: list[Value], *, depth: int, key: str, tail: str) -> Iterator[Line]:
    yield Line(depth=depth, key=key, value="[")
    for old, new, is_last in _aligned(before, after):
        comma = "" if is_last else ","
        if not new:
            yield from _marked(_one(old[0], depth=depth + 1, key="", tail=comma, sign="-"), "removed")
        elif not old:
            yield from _marked(_one(new[0], depth=depth + 1, key="", tail=comma, sign="+"), "added")
        else:
            yield from _both(old[0], new[0], depth=depth + 1, key="", tail=comma)
    yield Line(depth=depth, key="", value="]", tail=tail)


def _aligned(before: list[Value], after: list[Value]) -> Iterator[tuple[list[Value], list[Value], bool]]:
    """Pairs of elements that belong together; an empty side where one stands alone. Blocks of equal length are compared in pairs."""
    for tag, i, j, k, m in _blocks([encode(v) for v in before], [encode(v) for v in after]):
        olds, news = before[i:j], after[k:m]
        if tag == "replace" and len(olds) != len(news):
            yield from (([old], [], False) for old in olds)
            yield from (([], [new], k + at == len(after) - 1) for at, new in enumerate(news))
            continue
        for at in range(max(len(olds), len(news))):
            yield olds[at : at + 1], news[at : at + 1], bool(news) and k + at == len(after) - 1


def _blocks(before: Sequence[bytes], after: Sequence[bytes]) -> list[tuple[str, int, int, int, int]]:
    """As `SequenceMatcher` gives them; long lists are matched at their ends only, as matching costs the square of the length."""
    if len(before) + len(after) <= _MAX_MATCHED:
        return list(SequenceMatcher(None, before, after, autojunk=False).get_opcodes())
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    b, a = len(before) - end, len(after) - end
    middle = "insert" if start == b else "delete" if start == a else "replace"
    blocks = [("equal", 0, start, 0, start), (middle, start, b, start, a), ("equal", b, len(before), a, len(after))]
    return [block for block in blocks if block[1] < block[2] or block[3] < block[4]]


def _one(value: Value, *, depth: int, key: str, tail: str, sign: Sign) -> Iterator[Line]:
    if isinstance(value, dict) and value:
        yield Line(depth=depth, key=key, value="{", sign=sign)
        names = sorted(value)
        for name in names:
            label = f"{json.dumps(name, ensure_ascii=False)}: "
            yield from _one(value[name], depth=depth + 1, key=label, tail="" if name == names[-1] else ",", sign=sign)
        yield Line(depth=depth, key="", value="}", tail=tail, sign=sign)
    elif isinstance(value, list) and value:
        yield Line(depth=depth, key=key, value="[", sign=sign)
        for at, element in enumerate(value):
            yield from _one(element, depth=depth + 1, key="", tail="" if at == len(value) - 1 else ",", sign=sign)
        yield Line(depth=depth, key="", value="]", tail=tail, sign=sign)
    else:
        yield Line(depth=depth, key=key, value=_text(value), tail=tail, sign=sign)


def _marked(lines: Iterator[Line], word: str) -> Iterator[Line]:
    """The word stands on the first of the lines that make one change."""
    for at, line in enumerate(lines):
        yield line if at else Line(depth=line.depth, key=line.key, value=line.value, tail=line.tail, sign=line.sign, word=word)


def _text(value: Value) -> str:
    """JSON as far as it goes; bytes and links are written as what they are."""
    match value:
        case Cid():
            return f"CID {value}"
        case bytes():
            return f"{len(value)} bytes {value[:32].hex()}{'…' if len(value) > 32 else ''}"
        case dict():
            return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {_text(value[name])}" for name in sorted(value)) + "}"
        case list():
            return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _same(one: Value, other: Value) -> bool:
    """Equal as blocks: 1 is not 1.0 and not True."""
    return type(one) is type(other) and encode(one) == encode(other)
