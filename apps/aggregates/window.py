"""This module is the part of an aggregate's history that a page shows: all of it where it is short, else a hundred events around a version.

Nothing of a long history is read but its newest event, its first, and the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.persistence.events import AggregateRef
from apps.persistence.store import Message, Store, find_version, get_last, messages_of, page_back, subjects_matching
from apps.persistence.store.streams import get_stream

WHOLE = 1_000
"""Histories up to this version are read as a whole: the server gives them in one answer."""
SHOWN = 100
_STEP = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A stored message and the version under which it lies; in a foreign layout, its place among those of the aggregate."""

    version: int
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """`slots` are the events from version `first` to `last`, oldest first; `before` is the event before them, for its link.

    `selected` is the version that the page is about: 0 where the aggregate did not exist yet at the time that was asked for.
    `everything` is all that was read; where `is_whole`, that is the whole history.
    """

    ref: AggregateRef
    head: int
    newest: Message
    oldest: Message
    selected: int
    first: int
    last: int
    slots: tuple[Slot, ...]
    everything: tuple[Slot, ...]
    before: Slot | None = None
    is_whole: bool = True

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that was read, as it is stored."""
        return tuple(slot.message for slot in self.everything)

    def at(self, version: int) -> Slot | None:
        """The event of a version, if it is among those that were read; of one that is stored twice, the first."""
        return next((slot for slot in self.everything if slot.version == version), None)


async def read_window(store: Store, ref: AggregateRef, *, version: int | None = None, moment: datetime | None = None) -> Window | None:
    """The history of `ref` around a version, a time, or its newest event; None where no event of it is stored.

    A version beyond the newest is given back as `selected` all the same: the page says that it is not there.
    """
    newest = await get_last(store.connection, store.layout.stream, store.layout.all_of(ref))
    if newest is None:
        return None
    if not store.layout.is_chained:
        return await _foreign(store, ref, newest, version, moment)
    if _version(store, newest) <= WHOLE:
        return _whole(ref, _slots(store, await messages_of(store, ref)), newest, version, moment)
    return await _part(store, ref, newest, version, moment)


def window_around(version: int, head: int) -> tuple[int, int]:
    """The first and last version to show around one of `head`. It stays where it is while the version moves by less than fifty."""
    if head <= SHOWN:
        return 1, head
    block = (min(max(version, 1), head) - 1) // _STEP * _STEP
    first = min(max(1, block - (SHOWN - _STEP) // 2 + 1), head - SHOWN + 1)
    return first, first + SHOWN - 1


def _whole(ref: AggregateRef, slots: tuple[Slot, ...], newest: Message, version: int | None, moment: datetime | None) -> Window:
    slots = slots or (Slot(version=1, message=newest),)
    head = slots[-1].version
    selected = version or head
    if moment is not None:
        selected = max((slot.version for slot in slots if slot.message.time <= moment), default=0)
    first, last = window_around(selected, head)
    shown = tuple(slot for slot in slots if first <= slot.version <= last)
    before = next((slot for slot in reversed(slots) if slot.version < first), None)
    return Window(
        ref=ref, head=head, newest=slots[-1].message, oldest=slots[0].message, selected=selected,
        first=first, last=last, slots=shown, everything=slots, before=before,
    )  # fmt: skip


async def _part(store: Store, ref: AggregateRef, newest: Message, version: int | None, moment: datetime | None) -> Window:
    head = _version(store, newest)
    selected = version or head
    if moment is not None:
        selected = await _version_at(store, ref, head, moment)
    first, last = window_around(selected, head)
    read = _slots(store, await messages_of(store, ref, from_version=max(1, first - 1), to_version=last))
    oldest = read[0].message if first == 1 and read else await find_version(store, ref, 1)
    return Window(
        ref=ref, head=head, newest=newest, oldest=oldest or newest, selected=selected, first=first, last=last,
        slots=tuple(slot for slot in read if slot.version >= first), everything=read,
        before=next((slot for slot in read if slot.version < first), None), is_whole=False,
    )  # fmt: skip


async def _version_at(store: Store, ref: AggregateRef, head: int, moment: datetime) -> int:
    """The newest version that the server had stored at `moment`, found by halving; a missing version gives way to the one before it."""
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        probe, found = middle, await find_version(store, ref, middle)
        while found is None and probe > low + 1:
            probe -= 1
            found = await find_version(store, ref, probe)
        if found is not None and found.time <= moment:
            low = middle
        else:
            high = probe - 1
    return low


async def _foreign(store: Store, ref: AggregateRef, newest: Message, version: int | None, moment: datetime | None) -> Window:
    """The newest events of a stream that numbers none; counted from the subjects, so that the first is number 1."""
    pattern, stream = store.layout.all_of(ref), store.layout.stream
    total = sum((await subjects_matching(store.connection, stream, pattern)).values())
    if total <= WHOLE:
        messages = tuple(await messages_of(store, ref))
    else:
        info = await get_stream(store.connection, stream)
        page = await page_back(store.connection, info, before_sequence=newest.sequence + 1, limit=SHOWN, pattern=pattern)
        messages = page.messages or (newest,)
    offset = max(total, len(messages)) - len(messages)
    slots = tuple(Slot(version=offset + at, message=message) for at, message in enumerate(messages, start=1))
    window = _whole(ref, slots, newest, version, moment)
    if offset == 0:
        return window
    return Window(
        ref=ref, head=window.head, newest=window.newest, oldest=slots[0].message, selected=max(window.selected, slots[0].version),
        first=slots[0].version, last=window.head, slots=slots, everything=slots, is_whole=False,
    )  # fmt: skip


def _slots(store: Store, messages: list[Message]) -> tuple[Slot, ...]:
    """What lies under a subject of the layout; anything else under the aggregate's name is no event of it."""
    slots = [Slot(version=_version(store, message), message=message) for message in messages]
    return tuple(slot for slot in slots if slot.version)


def _version(store: Store, message: Message) -> int:
    parts = store.layout.parse(message.subject)
    return (parts.version or 0) if parts else 0
