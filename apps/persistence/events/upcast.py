"""This module is how stored events are read: sealed payloads are opened, older schemas upcast; the stored bytes never change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from ..encoding import Value
from ..errors import InvalidEvent, InvalidInput
from .block import Event, StoredEvent
from .cipher import SEALED
from .flags import Flags, SchemaFlag
from .sealing import Sealing

EventType = tuple[str, str, str]
"""Context, aggregate type and event type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcaster:
    """One step for one event type: reads a payload of `from_schema` as the next one, or as `to_schema`. `apply` is pure."""

    context: str
    aggregate: str
    type: str
    from_schema: int
    apply: Callable[[dict[str, Value]], dict[str, Value]]
    to_schema: int | None = None
    title: str = ""

    @property
    def to(self) -> int:
        """The schema that `apply` gives."""
        return self.from_schema + 1 if self.to_schema is None else self.to_schema

    @property
    def event_type(self) -> EventType:
        """What the step reads."""
        return self.context, self.aggregate, self.type


class Upcasters:
    """All steps of all domains, looked up by event type and schema. `chains` holds those of each event type, oldest first.

    `sealing` is what opens payloads before they are upcast, `flags` say where upcasting ends.
    """

    def __init__(self, steps: Iterable[Upcaster] = (), *, sealing: Sealing | None = None, flags: Iterable[SchemaFlag] = ()) -> None:
        """Raises InvalidInput where the steps of an event type are not one chain: two from one schema, a gap, or one that leads back."""
        self.sealing = sealing or Sealing()
        found: dict[EventType, list[Upcaster]] = {}
        for step in steps:
            found.setdefault(step.event_type, []).append(step)
        self.chains: Mapping[EventType, tuple[Upcaster, ...]] = {key: _chain(key, found[key]) for key in sorted(found)}
        self.flags = Flags.of(flags, self.newest)
        self._steps = {(*key, step.from_schema): step for key, chain in self.chains.items() for step in chain}

    def upcast(self, event: Event) -> Event:
        """`event` opened and in the newest schema known; itself where it is so already.

        Raises PayloadUnreadable or PayloadRedacted where it cannot be opened, InvalidEvent where a step fails.
        """
        if SEALED in event.payload:
            event = self.sealing.open(event)
        ref, payload, schema = event.aggregate, event.payload, event.schema
        while step := self._steps.get((ref.context, ref.type, event.type, schema)):
            if self.flags.stops_at(step.event_type, schema):
                break
            try:
                payload, schema = step.apply(payload), step.to
            except Exception as error:
                raise InvalidEvent(
                    f"Version {event.version} of {ref}, {event.type}, cannot be upcast from schema {schema} to {step.to}: "
                    f"{type(error).__name__}: {error}. Mend the upcaster; the stored event is as it was."
                ) from error
        return self.flags.as_read(event if schema == event.schema else replace(event, payload=payload, schema=schema))

    def read(self, stored: StoredEvent) -> StoredEvent:
        """A stored event with its event in the newest schema. Raises as `upcast`."""
        event = self.upcast(stored.event)
        return stored if event is stored.event else replace(stored, event=event)

    def newest(self, event_type: EventType) -> int | None:
        """The schema that the steps of an event type lead to; None where there are none."""
        chain = self.chains.get(event_type)
        return chain[-1].to if chain else None


def _chain(event_type: EventType, steps: list[Upcaster]) -> tuple[Upcaster, ...]:
    """The steps in order. Raises InvalidInput."""
    name, chain = ".".join(event_type), sorted(steps, key=lambda step: step.from_schema)
    for step in chain:
        if step.from_schema < 1 or step.to <= step.from_schema:
            raise InvalidInput(
                f"The upcaster of {name} from schema {step.from_schema} leads to schema {step.to}; "
                "a step must lead to a newer schema, or reading would never end."
            )
    for before, after in pairwise(chain):
        if before.from_schema == after.from_schema:
            raise InvalidInput(f"Two upcasters read {name} from schema {after.from_schema}; keep one.")
        if before.to != after.from_schema:
            raise InvalidInput(
                f"The upcasters of {name} lead from schema {before.from_schema} to {before.to}, and the next one starts from "
                f"{after.from_schema}; declare the step from {before.to} to {after.from_schema}, or the chain has a gap."
            )
    return tuple(chain)
