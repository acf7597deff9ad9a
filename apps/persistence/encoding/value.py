"""This module is the set of values a block can hold, and how a place inside one is written in an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from .cid import Cid

Value: TypeAlias = "bool | int | float | str | bytes | Cid | list[Value] | dict[str, Value] | None"

MAX_DEPTH = 128
"""How many lists and maps may lie inside each other. DAG-CBOR itself sets no limit; published fixtures reach 11."""

GREATEST_ARGUMENT = 2**64 - 1
"""The greatest length or integer that CBOR holds in a head; integers reach from -2**64 to 2**64 - 1."""

_STEPS_SHOWN = 8
_KEY_CHARACTERS_SHOWN = 40


def format_path(steps: Sequence[str | int]) -> str:
    """Write the way to a value: `payload.items[3]`, or "the top" for the outermost value. Long paths lose their middle."""
    if not steps:
        return "the top"
    if len(steps) > _STEPS_SHOWN:
        return f"{_join(steps[: _STEPS_SHOWN // 2])}…{_join(steps[-_STEPS_SHOWN // 2 :])}"
    return _join(steps)


def _join(steps: Sequence[str | int]) -> str:
    return "".join(map(_format_step, steps)).removeprefix(".")


def _format_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if len(step) > _KEY_CHARACTERS_SHOWN:
        return f"[{step[:_KEY_CHARACTERS_SHOWN]!r}…]"
    return f".{step}" if step.isidentifier() else f"[{step!r}]"
