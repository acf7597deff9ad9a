"""This module is an aggregate's state at a version, with what the event of that version changed in it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal, TypeVar

from apps.display.differences import Lines, compare, show
from apps.persistence.encoding import Cid, cid_of, encode
from apps.persistence.errors import InvalidState, PayloadUnreadable, PersistenceError, Unavailable
from apps.persistence.events import AggregateDefinition, AggregateRef, State
from apps.persistence.events.diff import Change, diff_states
from apps.persistence.snapshots import Kept, StateAt, Unusable, state_at
from apps.persistence.store import Store, decode_event

from .glance import Glance, glance_of, linked
from .timeline import name_error
from .window import Slot, Window

FOLDED_AT_ONCE = 1_000
"""A state that needs more events than this is not computed with the page, but when the page has loaded or the person asks for it."""

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class CannotFold(Exception):
    """Why there is no state: what is stored, or the domain's own code, does not allow it; or its payloads do not open here."""

    @property
    def kind(self) -> Literal["closed", "failed"]:
        """What a page makes of it."""
        return "closed" if isinstance(self.__cause__, PayloadUnreadable) else "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How a state was come by, and its size. `unusable` are the snapshots that were left aside."""

    state_cid: Cid
    state_bytes: int
    snapshot_version: int | None
    events_read: int
    unusable: tuple[Unusable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePane:
    """`kind` "shown": `lines` is the state, beside the one at `compared_with` (None: alone). "later": it takes `to_read` events and was
    not asked for. "no_definition": no domain declares this type. "failed": `reason` says what stopped it. "closed": the payloads do not
    open here. "absent": the aggregate did not exist. "foreign": events of this layout are not ours to fold.
    """

    kind: Literal["shown", "later", "no_definition", "failed", "closed", "absent", "foreign"]
    version: int
    lines: Lines | None = None
    found: Found | None = None
    compared_with: int | None = None
    changes: tuple[Change, ...] = ()
    glance: Glance | None = None
    to_read: int = 0
    reason: str = ""


async def read_state(store: Store, definition: AggregateDefinition | None, window: Window, kept: Kept, *, may_take_long: bool) -> StatePane:
    """The state at the window's selected version. What a domain's code or a stored event makes impossible is told, not raised."""
    version = window.selected
    if version == 0:
        return StatePane(kind="absent", version=0)
    if not store.layout.is_chained:
        return StatePane(kind="foreign", version=version)
    if definition is None:
        return StatePane(kind="no_definition", version=version)
    to_read = events_to_read(definition, kept, version)
    if to_read > FOLDED_AT_ONCE and not may_take_long:
        return StatePane(kind="later", version=version, to_read=to_read)
    slot = window.at(version)
    if slot is None:
        return StatePane(kind="failed", version=version, reason=f"v{version:,} is missing, so what it changed is not known.")
    compares = may_take_long or events_to_read(definition, kept, version - 1) <= FOLDED_AT_ONCE
    try:
        if compares:
            return await _beside_the_one_before(store, definition, window, slot)
        return await _alone(store, definition, window, version)
    except CannotFold as error:
        return StatePane(kind=error.kind, version=version, reason=str(error))


def events_to_read(definition: AggregateDefinition, kept: Kept, version: int) -> int:
    """How many events the state at `version` is folded from, with the snapshots there are."""
    usable = [one.version for one in kept.snapshots if one.schema == definition.schema and one.version <= version]
    return version - max(usable, default=0)


async def folded(definition: AggregateDefinition, folding: Awaitable[_T]) -> _T:
    """Await a fold. Raises CannotFold with the reason, or Unavailable."""
    try:
        return await folding
    except Unavailable:
        raise
    except PersistenceError as error:
        raise CannotFold(str(error)) from error
    except Exception as error:  # a domain's code, which may raise anything
        _logger.exception("the definition of %s failed", ".".join(definition.key))
        reason = f"The definition of {definition.title} failed: {name_error(error)}. The events are unharmed; correct the domain package."
        raise CannotFold(reason) from error


async def _alone(store: Store, definition: AggregateDefinition, window: Window, version: int) -> StatePane:
    """The state without what its event changed: a snapshot at this very version says nothing of the one before."""
    found = await folded(definition, state_at(store, definition, window.ref, version=version, known=window.messages))
    return StatePane(
        kind="shown",
        version=version,
        lines=linked(show(found.state), definition),
        found=_how(found, found.state, found.events_read),
        glance=glance_of(definition, found.state),
    )


async def _beside_the_one_before(store: Store, definition: AggregateDefinition, window: Window, slot: Slot) -> StatePane:
    """Folded once: up to the version before, and then this event."""
    ref = window.ref
    before = await folded(definition, state_at(store, definition, ref, version=slot.version - 1, known=window.messages))
    after = await folded(definition, _apply(store, definition, ref, slot, before.state))
    return StatePane(
        kind="shown",
        version=slot.version,
        lines=linked(compare(before.state, after), definition),
        found=_how(before, after, before.events_read + 1),
        compared_with=slot.version - 1,
        changes=tuple(diff_states(before.state, after)),
        glance=glance_of(definition, after),
    )


async def _apply(store: Store, definition: AggregateDefinition, ref: AggregateRef, slot: Slot, state: State) -> State:
    event = decode_event(store, slot.message).event
    if (event.aggregate, event.version) != (ref, slot.version):
        raise InvalidState(f"Under version {slot.version} of {ref} lies {event.aggregate} version {event.version}; verify the aggregate.")
    after = definition.next_state(state, store.upcasters.upcast(event))
    encode(after)
    return after


def _how(found: StateAt, state: State, events_read: int) -> Found:
    block = encode(state)
    return Found(
        state_cid=cid_of(block),
        state_bytes=len(block),
        snapshot_version=found.snapshot_version,
        events_read=events_read,
        unusable=found.unusable,
    )
