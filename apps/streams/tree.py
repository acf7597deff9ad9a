"""This module is a decoded payload as a tree that can be shown: every value as exact text, and no more of it than was asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from apps.persistence.encoding import Cid

DEEPEST = 100
SMALLEST_CUT = 40


class Literal(NamedTuple):
    """A scalar whose text is already what is shown, such as a number as it stood in the source."""

    kind: str
    text: str


class Pairs(tuple[tuple[str, Any], ...]):
    """A map as it stood in the source: in its order, a repeated key as often as it stood there."""


class Tagged(NamedTuple):
    """A CBOR tag and what it stands before."""

    number: int
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value. `kind` is map, list, tag, or that of a scalar; `size` counts entries, characters or bytes, `hidden` those not shown."""

    key: str | None
    kind: str
    text: str = ""
    children: tuple[Node, ...] = ()
    size: int = 0
    hidden: int = 0

    @property
    def is_branch(self) -> bool:
        return self.kind in ("map", "list", "tag")


class Budget:
    """How many characters may still be shown; None for any number."""

    def __init__(self, characters: int | None) -> None:
        self.left = math.inf if characters is None else float(characters)
        self.was_cut = False

    def take(self, length: int) -> None:
        self.left -= length

    def cut(self, text: str) -> str:
        """As much of `text` as may still be shown."""
        room = int(max(self.left, SMALLEST_CUT)) if self.left < math.inf else len(text)
        self.take(min(len(text), room))
        self.was_cut = self.was_cut or len(text) > room
        return text[:room]


def build(value: Any, budget: Budget, *, key: str | None = None, depth: int = 0) -> Node:
    """The tree of a value made of what the readers give."""
    budget.take(len(key or "") + 4)
    entries = _entries(value)
    if entries is None:
        return _leaf(value, key, budget)
    kind = _kind_of_branch(value)
    size = 1 if kind == "tag" else len(value)
    children: list[Node] = []
    if depth < DEEPEST:
        for name, item in entries:
            if budget.left <= 0:
                break
            children.append(build(item, budget, key=name, depth=depth + 1))
    hidden = size - len(children)
    budget.was_cut = budget.was_cut or hidden > 0
    text = f"tag {value.number}" if isinstance(value, Tagged) else ""
    return Node(key=key, kind=kind, text=text, children=tuple(children), size=size, hidden=hidden)


def quote(text: str) -> str:
    """A text in quotes, control characters escaped; a lone surrogate, which no page could hold, is shown as its escape."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _entries(value: Any) -> Iterator[tuple[str | None, Any]] | None:
    if isinstance(value, Tagged):
        return iter([(None, value.value)])
    if isinstance(value, Pairs):
        return iter(value)
    if isinstance(value, Mapping):
        return iter(value.items())
    if isinstance(value, list):
        return ((str(index), item) for index, item in enumerate(value))
    return None


def _kind_of_branch(value: Any) -> str:
    if isinstance(value, Tagged):
        return "tag"
    return "list" if isinstance(value, list) else "map"


def _leaf(value: Any, key: str | None, budget: Budget) -> Node:
    if isinstance(value, str):
        shown = budget.cut(value)
        return Node(key=key, kind="str", text=quote(shown), size=len(value), hidden=len(value) - len(shown))
    if isinstance(value, bytes):
        octets = value.hex()
        shown = budget.cut(octets)
        return Node(key=key, kind="bytes", text=shown[: len(shown) // 2 * 2], size=len(value), hidden=len(value) - len(shown) // 2)
    kind, text = _scalar(value)
    budget.take(len(text))
    return Node(key=key, kind=kind, text=text)


def _scalar(value: Any) -> tuple[str, str]:
    if isinstance(value, Literal):
        return value.kind, value.text
    if value is None:
        return "null", "null"
    if isinstance(value, bool):
        return "bool", "true" if value else "false"
    if isinstance(value, Cid):
        return "link", str(value)
    return ("float", repr(value)) if isinstance(value, float) else ("int", str(value))
