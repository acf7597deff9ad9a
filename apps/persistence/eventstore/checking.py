"""This module is checking what is read: each event is what its name says, and links to the one before it.

It sees what the events in hand can show. Whether a whole aggregate or stream is intact, and what else may be wrong, verification says.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from enum import StrEnum

from ..chain import Cause
from ..encoding import Cid
from ..errors import PersistenceError
from ..events import AggregateRef, StoredEvent
from ..store import Message
from ..store.publish import MESSAGE_ID

CID_BEGINS = "bafyr4i"

log = logging.getLogger(__name__)


class OnRead(StrEnum):
    """What happens when something that is read is not as it was written."""

    STRICT = "strict"  # ChainBroken is raised, and nothing is handed out
    WARN = "warn"  # it is handed out, and logged
    OFF = "off"  # nobody looks


class ChainBroken(PersistenceError):
    """What was read is not what was written: `cause` as verification names it. Verify the aggregate to see all that is wrong."""

    def __init__(self, aggregate: AggregateRef, *, cause: str, version: int, sequence: int, reason: str) -> None:
        super().__init__(f"{aggregate} version {version} at sequence {sequence:,}, {cause.replace('_', ' ')}: {reason}")
        self.aggregate = aggregate
        self.cause = cause
        self.version = version
        self.sequence = sequence
        self.reason = reason


def check_name(stored: StoredEvent, message: Message, on_read: OnRead) -> None:
    """Look at one event alone: whether it is what it was stored as. Raises ChainBroken."""
    if on_read is OnRead.OFF:
        return
    changed = _why_changed(stored, message)
    if changed:
        _act(_broken(stored, Cause.CONTENT_CHANGED, changed), on_read)


def check_read(aggregate: AggregateRef, found: Sequence[StoredEvent], messages: Sequence[Message], on_read: OnRead) -> None:
    """Look at one aggregate's events in the order of their versions, and act as `on_read` says. Raises ChainBroken."""
    if on_read is OnRead.OFF:
        return
    broken = find_break(aggregate, found, messages)
    if broken is not None:
        _act(broken, on_read)


def find_break(aggregate: AggregateRef, found: Sequence[StoredEvent], messages: Sequence[Message]) -> ChainBroken | None:
    """The first event that is not as it was written, or does not follow from the one before it; None where all are and do."""
    before: StoredEvent | None = None
    for stored, message in zip(found, messages, strict=True):
        wrong = _why_wrong(aggregate, stored, message, before)
        if wrong is not None:
            return _broken(stored, *wrong)
        before = stored
    return None


def _act(broken: ChainBroken, on_read: OnRead) -> None:
    if on_read is OnRead.STRICT:
        raise broken
    log.warning("%s It was handed out as it is.", broken)


def _broken(stored: StoredEvent, cause: Cause, reason: str) -> ChainBroken:
    event = stored.event
    return ChainBroken(event.aggregate, cause=cause.value, version=event.version, sequence=stored.sequence, reason=reason)


def _why_changed(stored: StoredEvent, message: Message) -> str:
    """Why an event is not the one it was stored as; empty where it is, or where nothing says what it was."""
    if not message.raw_headers or str(stored.cid).encode() in message.raw_headers:
        return ""
    named = message.headers.get(MESSAGE_ID, "")
    return f"it was stored as {named}, and its bytes are {stored.cid}." if named.startswith(CID_BEGINS) else ""


def _why_wrong(aggregate: AggregateRef, stored: StoredEvent, message: Message, before: StoredEvent | None) -> tuple[Cause, str] | None:
    event = stored.event
    if changed := _why_changed(stored, message):
        return Cause.CONTENT_CHANGED, changed
    if event.aggregate != aggregate:
        return Cause.MISPLACED, f"it is an event of {event.aggregate}."
    if before is None:
        return None if event.version > 1 or event.previous is None else (Cause.LINK_BROKEN, "the first version links to an earlier event.")
    return _why_not_next(event.version, event.previous, before)


def _why_not_next(version: int, previous: Cid | None, before: StoredEvent) -> tuple[Cause, str] | None:
    if version == before.event.version:
        return Cause.DUPLICATE_VERSION, f"sequence {before.sequence:,} holds that version too."
    if version != before.event.version + 1:
        return Cause.MISSING, f"version {before.event.version + 1} is missing before it."
    if previous != before.cid:
        return Cause.LINK_BROKEN, f"it links to {previous}, and version {before.event.version} is {before.cid}."
    return None
