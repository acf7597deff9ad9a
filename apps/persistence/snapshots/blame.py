"""This module is blame: which event last changed each place of a state that differs between two versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..errors import InvalidInput, NotFound
from ..events import AggregateDefinition, AggregateRef, StoredEvent
from ..events.diff import Change, Path, diff_states
from ..store import Store, decode_event, messages_of
from .state import check_versions, state_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """A difference and the event that made it last; `time` is the writer's and `stored_at` the server's."""

    change: Change
    version: int
    sequence: int
    event_type: str
    actor: str
    time: datetime
    stored_at: datetime


async def blame(store: Store, definition: AggregateDefinition, ref: AggregateRef, *, from_version: int, to_version: int) -> list[Blame]:
    """For each place that differs between the states at two versions, the last event between them that touched it.

    A place counts as touched with what lies in it or around it; where the items of a list have moved, the last event that touched the list
    stands for it. Each event's state is compared with the one before, so it costs what the states are large. Raises as `state_at`,
    and InvalidInput where `from_version` is not the lower.
    """
    if from_version >= to_version:
        raise InvalidInput(f"Blame needs a lower version first; {from_version} is not below {to_version}.")
    before = await state_at(store, definition, ref, version=from_version)
    messages = await messages_of(store, ref, from_version=from_version + 1, to_version=to_version)
    events = [store.upcasters.read(decode_event(store, message)) for message in messages]
    check_versions(ref, events, first=from_version + 1)
    if from_version + len(events) != to_version:
        raise NotFound(f"{ref} is at version {from_version + len(events)}; there is no version {to_version} yet.")
    state = before.state
    touched: dict[Path, StoredEvent] = {}
    for stored in events:
        after = definition.next_state(state, stored.event)
        touched.update((change.path, stored) for change in diff_states(state, after))
        state = after
    return [_blame(change, touched) for change in diff_states(before.state, state)]


def _blame(change: Change, touched: dict[Path, StoredEvent]) -> Blame:
    last = _last_at(change.path, touched)
    return Blame(
        change=change,
        version=last.event.version,
        sequence=last.sequence,
        event_type=last.event.type,
        actor=last.event.actor,
        time=last.event.time,
        stored_at=last.stored_at,
    )


def _last_at(path: Path, touched: dict[Path, StoredEvent]) -> StoredEvent:
    """The last event that touched this place, or the nearest place around it that any event touched."""
    events = [stored for other, stored in touched.items() if _meets(other, path)]
    return max(events, key=lambda stored: stored.event.version) if events else _last_at(path[:-1], touched)


def _meets(one: Path, other: Path) -> bool:
    """Whether one of the paths lies in the other."""
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]
