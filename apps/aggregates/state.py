"""This module is an aggregate's state at a version, with what the event of that version changed in it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal, TypeVar

from apps.persistence.errors import PersistenceError, Unavailable
from apps.persistence.events import AggregateDefinition, AggregateRef
from apps.persistence.snapshots import Kept, StateAt, state_at
from apps.persistence.store import Store

from .differences import Lines, compare, show
from .timeline import name_error
from .window import Window

FOLDED_AT_ONCE = 1_000
"""A state that needs more events than this is not computed with the page, but when the page has loaded or the person asks for it."""

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class CannotFold(Exception):
    """Why there is no state: what is stored, or the domain's own code, does not allow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePane:
    """`kind` "shown": `lines` is the state, beside the one at `compared_with` (None: alone). "later": it takes `to_read` events and was
    not asked for. "no_definition": no domain declares this type. "failed": `reason` says what stopped it. "absent": the aggregate did
    not exist. "foreign": events of this layout are not ours to fold.
    """

    kind: Literal["shown", "later", "no_definition", "failed", "absent", "foreign"]
    version: int
    lines: Lines | None = None
    found: StateAt | None = None
    compared_with: int | None = None
    to_read: int = 0
    reason: str = ""


async def read_state(
    store: Store, definition: AggregateDefinition | None, window: Window, kept: Kept, *, may_take_long: bool
) -> StatePane:
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
    if window.at(version) is None:
        return StatePane(kind="failed", version=version, reason=f"v{version:,} is missing, so what it changed is not known.")
    compares = may_take_long or events_to_read(definition, kept, version - 1) <= FOLDED_AT_ONCE
    try:
        return await _shown(store, definition, window.ref, version, compares=compares)
    except CannotFold as error:
        return StatePane(kind="failed", version=version, reason=str(error))


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


async def _shown(store: Store, definition: AggregateDefinition, ref: AggregateRef, version: int, *, compares: bool) -> StatePane:
    after = await folded(definition, state_at(store, definition, ref, version=version))
    if not compares:
        return StatePane(kind="shown", version=version, lines=show(after.state), found=after)
    before = await folded(definition, state_at(store, definition, ref, version=version - 1))
    return StatePane(
        kind="shown", version=version, lines=compare(before.state, after.state), found=after, compared_with=version - 1
    )
