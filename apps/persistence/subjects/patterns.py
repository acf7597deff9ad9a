"""This module is subject matching with exactly the semantics of a NATS server.

`*` stands for one token, `>` for one or more at the end; both are wildcards only as whole tokens (`ab*` is a literal).
"""

from __future__ import annotations

from itertools import zip_longest


def matches(pattern: str, subject: str) -> bool:
    """Whether a subscription to `pattern` receives a message published to the literal `subject`."""
    wanted = pattern.split(".")
    given = subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))


def overlaps(one: str, other: str) -> bool:
    """Whether some subject could match both patterns; streams on one server may not overlap."""
    for a, b in zip_longest(one.split("."), other.split(".")):
        if a is None or b is None:
            return False
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return True


def intersect(one: str, other: str) -> str | None:
    """The pattern of exactly those subjects that match both, or None where no subject does."""
    if not overlaps(one, other):
        return None
    mine, theirs = one.split("."), other.split(".")
    found: list[str] = []
    for place in range(max(len(mine), len(theirs))):
        a, b = mine[min(place, len(mine) - 1)], theirs[min(place, len(theirs) - 1)]
        found.append(b if a in ("*", ">") and not (a == "*" and b == ">") else a)
    return ".".join(found)


def is_more_specific(one: str, other: str) -> bool:
    """Whether `one` says more than `other`: no `>` beats `>`, then fewer `*`, then the first wildcard further right."""
    return _breadth(one) < _breadth(other)


def _breadth(pattern: str) -> tuple[bool, int, int]:
    tokens = pattern.split(".")
    wildcards = [position for position, token in enumerate(tokens) if token in ("*", ">")]
    first = wildcards[0] if wildcards else len(tokens)
    return tokens[-1] == ">", tokens.count("*"), -first
