"""This module is an aggregate type as a domain declares it: how its state is folded from its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ..encoding import Value
from ..errors import InvalidInput, InvalidState
from ..subjects import check_token
from .block import Event
from .cipher import Algorithm
from .opening import is_opening, opened_state
from .policy import SnapshotPolicy

State = dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateDefinition:
    """An aggregate type that a domain declares, so that its state can be shown at any version.

    `apply` is pure: it gets the state so far and one event, and returns the next state without changing its input. States hold what
    DAG-CBOR can: None, bool, int, float, str, bytes, Cid, lists and dicts with string keys. `summarise` says an event in a few words.
    `snapshots` says when one is due; without it they are taken only when somebody asks.
    From `large_events` events or `large_state_bytes` of state on, an aggregate counts as large, and its page warns.
    `status` names the field of its state that says where it stands, `label` the way to the field that says to people which one it is, and
    `references` gives, by the name of a field of its state or events, the context and type of the aggregate whose id stands there.
    With `encryption` the payloads of its events are sealed, each aggregate's by its own key; of such types no state is kept anywhere.
    """

    context: str
    type: str
    title: str
    apply: Callable[[State, Event], State]
    initial: Mapping[str, Value] = field(default_factory=dict)
    schema: int = 1
    summarise: Callable[[Event], str] | None = None
    demo: bool = False
    snapshots: SnapshotPolicy | None = None
    encryption: Algorithm | None = None
    large_events: int = 10_000
    large_state_bytes: int = 256 * 1024
    status: str = ""
    label: tuple[str, ...] = ()
    references: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_token(self.context, "a context")
        check_token(self.type, "an aggregate type")
        if self.encryption is not None and self.snapshots is not None:
            raise InvalidInput(
                f"{self.context}.{self.type} is encrypted and has a policy of snapshots, which would keep states readable; leave one out."
            )

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the type among all: context and type."""
        return self.context, self.type

    def label_of(self, state: State) -> str:
        """What a state says to people of which one it is; empty where it says nothing, or nothing is declared."""
        found: Value = state
        for name in self.label:
            found = found.get(name) if isinstance(found, dict) else None
        return found if self.label and isinstance(found, str) else ""

    def next_state(self, state: State, event: Event) -> State:
        """The state after one more event: what `apply` makes of it, or what an opening event says.

        Raises InvalidState for an opening event whose state is of another schema.
        """
        if not is_opening(event):
            return self.apply(state, event)
        if event.schema != self.schema:
            raise InvalidState(
                f"{event.aggregate} was opened from an archive with a state of schema {event.schema}, and its definition has schema "
                f"{self.schema}; declare an upcaster of {event.type} from {event.schema} to {self.schema}, which is given the payload."
            )
        return opened_state(event)


def fold(definition: AggregateDefinition, events: Iterable[Event], *, onto: State | None = None) -> State:
    """The state after `events`, starting from `onto` or from the definition's initial state."""
    state = dict(definition.initial) if onto is None else onto
    for event in events:
        state = definition.next_state(state, event)
    return state
