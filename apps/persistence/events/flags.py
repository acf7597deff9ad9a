"""This module is flags over schema versions: who writes and reads the newer of two schemas of an event type, and who the older still.

A change of an event's form is rolled out in steps: code that knows both schemas everywhere, then readers take the newer one, then writers,
for a share of the aggregates and at last for all. Each step can be taken back, since an event of either schema can be given in the other:
by the upcaster, or by the flag's `downcast`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from blake3 import blake3

from ..encoding import Value
from ..errors import InvalidEvent, InvalidInput
from ..subjects import check_token
from .aggregate import AggregateRef
from .block import Event

ALL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagState:
    """`reading`: events are read in the newer schema. `writing`: for how many of a hundred aggregates they are written in it."""

    reading: bool = True
    writing: int = ALL

    def __post_init__(self) -> None:
        if not 0 <= self.writing <= ALL:
            raise InvalidInput(f"writing is {self.writing}; it is a share of a hundred aggregates, 0 to {ALL}.")
        if self.writing and not self.reading:
            raise InvalidInput("What is written in the newer schema must be read in it; have readers take it first, or write none of it.")

    def __str__(self) -> str:
        written = {0: "none written", ALL: "all written"}.get(self.writing, f"{self.writing} % written")
        return f"read in the {'newer' if self.reading else 'older'} schema, {written} in the newer one"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFlag:
    """A flag that a domain declares over the last upcaster of an event type. `downcast` is pure: it gives a payload of the newer schema
    in the older one. `initial` holds until an operator switches it.
    """

    name: str
    title: str
    context: str
    aggregate: str
    type: str
    from_schema: int
    downcast: Callable[[dict[str, Value]], dict[str, Value]]
    initial: FlagState = FlagState()

    def __post_init__(self) -> None:
        check_token(self.name, "a flag's name")

    @property
    def event_type(self) -> tuple[str, str, str]:
        """What it is a flag of."""
        return self.context, self.aggregate, self.type

    def takes(self, aggregate: AggregateRef, share: int) -> bool:
        """Whether an aggregate is among this share of a hundred; one that is among fewer is among more."""
        return int.from_bytes(blake3(f"{self.name}/{aggregate}".encode()).digest(4)) % ALL < share


@dataclass(slots=True)
class Flags:
    """The flags of all domains, with the states that this process knows of."""

    declared: Mapping[str, SchemaFlag] = field(default_factory=dict)
    newer: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    _states: dict[str, FlagState] = field(default_factory=dict)
    _by_type: dict[tuple[str, str, str], SchemaFlag] = field(default_factory=dict)

    @classmethod
    def of(cls, flags: Iterable[SchemaFlag], newest: Callable[[tuple[str, str, str]], int | None]) -> Flags:
        """Raises InvalidInput for two of one name or event type, and for one that is not over the last upcaster of its type."""
        declared: dict[str, SchemaFlag] = {}
        newer: dict[tuple[str, str, str], int] = {}
        for flag in flags:
            to = newest(flag.event_type)
            if to is None or to <= flag.from_schema:
                raise InvalidInput(
                    f"The flag {flag.name} is over schema {flag.from_schema} of {'.'.join(flag.event_type)}; no upcaster reads it."
                )
            if flag.name in declared or flag.event_type in newer:
                raise InvalidInput(f"The flag {flag.name}, or one of {'.'.join(flag.event_type)}, is declared twice; keep one.")
            declared[flag.name], newer[flag.event_type] = flag, to
        return cls(declared, newer, {}, {flag.event_type: flag for flag in declared.values()})

    def state_of(self, name: str) -> FlagState:
        """How a declared flag stands."""
        return self._states.get(name) or self.declared[name].initial

    def learn(self, states: Mapping[str, FlagState]) -> None:
        """Take over what was switched; flags that are not named stand as they were declared."""
        self._states = dict(states)

    def stops_at(self, event_type: tuple[str, str, str], schema: int) -> bool:
        """Whether events are not to be upcast from this schema on."""
        flag = self._by_type.get(event_type)
        return flag is not None and schema == flag.from_schema and not self.state_of(flag.name).reading

    def as_written(self, event: Event) -> Event:
        """A new event in the schema that its aggregate is written in. Raises InvalidEvent where the downcast fails."""
        flag = self._flag_of(event)
        if flag is None or flag.takes(event.aggregate, self.state_of(flag.name).writing):
            return event
        return _older(flag, event)

    def as_read(self, event: Event) -> Event:
        """A stored event in the schema that readers take. Raises InvalidEvent where the downcast fails."""
        flag = self._flag_of(event)
        return event if flag is None or self.state_of(flag.name).reading else _older(flag, event)

    def _flag_of(self, event: Event) -> SchemaFlag | None:
        """The flag over an event that is in its newer schema."""
        if not self._by_type:
            return None
        key = event.aggregate.context, event.aggregate.type, event.type
        return self._by_type.get(key) if self.newer.get(key) == event.schema else None


def _older(flag: SchemaFlag, event: Event) -> Event:
    try:
        return replace(event, payload=flag.downcast(dict(event.payload)), schema=flag.from_schema)
    except Exception as error:  # a domain's own code
        raise InvalidEvent(
            f"{event.type} of {event.aggregate} cannot be given in schema {flag.from_schema}, which the flag {flag.name} asks for: "
            f"{type(error).__name__}: {error}. Mend its downcast."
        ) from error
