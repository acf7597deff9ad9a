"""This module is which parts of a tree a proof is made of: spans of leaves, each divided into perfect subtrees.

Nothing here hashes. The same division serves whoever has the hashes in memory, in tiles, or on another machine.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import InvalidProof


class Span(NamedTuple):
    """The leaves from `start` up to, not with, `end`."""

    start: int
    end: int


class Node(NamedTuple):
    """A perfect subtree: which one, from 0, among those of 2 ** `level` leaves."""

    level: int
    number: int


def perfect_parts(span: Span) -> list[Node]:
    """The perfect subtrees that make up a span of a tree, from left to right; the span begins where such a span can begin."""
    parts: list[Node] = []
    start = span.start
    while start < span.end:
        level = (span.end - start).bit_length() - 1
        parts.append(Node(level, start >> level))
        start += 1 << level
    return parts


def inclusion_spans(index: int, size: int) -> list[Span]:
    """What proves that a tree of `size` leaves holds the one at `index` (RFC 6962, 2.1.1), nearest first. Raises InvalidProof."""
    if not 0 <= index < size:
        raise InvalidProof(f"A log of {size:,} leaves has none at index {index:,}; ask for one from 0 to {size - 1:,}.")
    found: list[Span] = []
    span = Span(0, size)
    while span.end - span.start > 1:
        middle = _middle(span)
        if index < middle:
            found.append(Span(middle, span.end))
            span = Span(span.start, middle)
        else:
            found.append(Span(span.start, middle))
            span = Span(middle, span.end)
    return found[::-1]


def consistency_spans(old_size: int, new_size: int) -> list[Span]:
    """What proves that a tree of `new_size` leaves begins with one of `old_size` (RFC 6962, 2.1.2). Raises InvalidProof."""
    if not 0 < old_size <= new_size:
        raise InvalidProof(f"A log of {new_size:,} leaves cannot be shown to extend one of {old_size:,}; the older one has from 1 leaf up.")
    found: list[Span] = []
    span = Span(0, new_size)
    is_whole = True
    while span.end != old_size:
        middle = _middle(span)
        if old_size <= middle:
            found.append(Span(middle, span.end))
            span = Span(span.start, middle)
        else:
            found.append(Span(span.start, middle))
            span = Span(middle, span.end)
            is_whole = False
    return [*([] if is_whole else [span]), *found[::-1]]


def _middle(span: Span) -> int:
    """Where a span is divided: after the largest power of two that is smaller than it."""
    return span.start + (1 << ((span.end - span.start - 1).bit_length() - 1))
