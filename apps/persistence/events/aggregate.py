"""This module is the aggregate as the store sees it: its name, its head, and how its state is folded from its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..encoding import Cid, Value
from ..errors import InvalidInput
from ..subjects import check_token

if TYPE_CHECKING:
    from .block import Event

State = dict[str, Value]


@dataclass(frozen=True, slots=True)
class AggregateRef:
    """The name of one aggregate: the context it belongs to, its type, and its id. Written `sales.order.7f3c91e0`."""

    context: str
    type: str
    id: str

    def __post_init__(self) -> None:
        check_token(self.context, "a context")
        check_token(self.type, "an aggregate type")
        check_token(self.id, "an aggregate id")

    def __str__(self) -> str:
        return f"{self.context}.{self.type}.{self.id}"

    @classmethod
    def parse(cls, text: str) -> AggregateRef:
        """Read `context.type.id`. Raises InvalidInput."""
        tokens = text.split(".")
        if len(tokens) != 3:
            raise InvalidInput(f"{text!r} names no aggregate; write it as context.type.id, such as sales.order.7f3c91e0.")
        return cls(*tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest event of an aggregate: its version and CID. Version 0 and no CID: the aggregate does not exist yet."""

    aggregate: AggregateRef
    version: int = 0
    cid: Cid | None = None

    def __post_init__(self) -> None:
        if (self.version == 0) != (self.cid is None) or self.version < 0:
            raise InvalidInput(f"A head at version {self.version} {'needs' if self.cid is None else 'cannot have'} a CID.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateDefinition:
    """An aggregate type that a domain declares, so that its state can be shown at any version.

    `apply` is pure: it gets the state so far and one event, and returns the next state without changing its input. States hold what
    DAG-CBOR can: None, bool, int, float, str, bytes, Cid, lists and dicts with string keys. `summarise` says an event in a few words.
    """

    context: str
    type: str
    title: str
    apply: Callable[[State, Event], State]
    initial: Mapping[str, Value] = field(default_factory=dict)
    schema: int = 1
    summarise: Callable[[Event], str] | None = None
    demo: bool = False

    def __post_init__(self) -> None:
        check_token(self.context, "a context")
        check_token(self.type, "an aggregate type")

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the type among all: context and type."""
        return self.context, self.type


def fold(definition: AggregateDefinition, events: Iterable[Event], *, onto: State | None = None) -> State:
    """The state after `events`, starting from `onto` or from the definition's initial state."""
    state = dict(definition.initial) if onto is None else onto
    for event in events:
        state = definition.apply(state, event)
    return state
