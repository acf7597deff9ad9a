"""This module is upcasting: events of an older schema are read as the newest one; the stored bytes never change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ..encoding import Value
from ..errors import InvalidInput
from .block import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcaster:
    """One step for one event type: reads a payload of `from_schema` as `from_schema + 1`. `apply` is pure."""

    context: str
    aggregate: str
    type: str
    from_schema: int
    apply: Callable[[dict[str, Value]], dict[str, Value]]


class Upcasters:
    """All steps of all domains, looked up by event type and schema."""

    def __init__(self, steps: Iterable[Upcaster] = ()) -> None:
        """Raises InvalidInput where two steps start from the same schema of the same event type."""
        self._steps: dict[tuple[str, str, str, int], Upcaster] = {}
        for step in steps:
            key = (step.context, step.aggregate, step.type, step.from_schema)
            if key in self._steps:
                raise InvalidInput(f"Two upcasters read {'.'.join(key[:3])} from schema {step.from_schema}; keep one.")
            self._steps[key] = step

    def upcast(self, event: Event) -> Event:
        """`event` in the newest schema known; unchanged where no step starts from its own."""
        ref, payload, schema = event.aggregate, event.payload, event.schema
        while step := self._steps.get((ref.context, ref.type, event.type, schema)):
            payload, schema = step.apply(payload), schema + 1
        return event if schema == event.schema else replace(event, payload=payload, schema=schema)
