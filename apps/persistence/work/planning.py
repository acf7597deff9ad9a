"""This module is what holds a run to its plan: the digest that names it, and the refusal, in numbers, where the world has moved."""

from __future__ import annotations

from collections.abc import Mapping

from ..encoding import Value, cid_of, encode
from ..errors import PlanStale
from .operation import Operation, Plan
from .parameters import stored_values

LAST_SEQUENCE = "last sequence"
"""What a plan that counts on nothing new being stored says it saw; `last sequence of CIM-EVENTS` names the stream."""


def digest_of(name: str, operation: Operation, plan: Plan) -> str:
    """What identifies a plan: the CID of the operation, its parameters and what it saw."""
    return str(cid_of(encode({"operation": name, "parameters": stored_values(operation), "saw": plan.saw})))


def check_plan(saw: Mapping[str, Value], plan: Plan) -> None:
    """Raises PlanStale, saying how, if the world is not what the confirmed plan saw."""
    moved = [_describe(name, saw.get(name), value) for name, value in plan.saw.items() if saw.get(name) != value]
    if moved:
        raise PlanStale(f"The plan no longer holds: {'; '.join(moved)}. Plan again.")


def _describe(name: str, before: Value, after: Value) -> str:
    if name.startswith(LAST_SEQUENCE) and isinstance(before, int) and isinstance(after, int) and after > before:
        where = name.removeprefix(LAST_SEQUENCE).replace(" of ", " in ", 1)
        new = after - before
        return f"{new:,} event{'' if new == 1 else 's'} arrived{where} since"
    return f"{name} was {_figure(before)} and is {_figure(after)}"


def _figure(value: Value) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
