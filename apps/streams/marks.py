"""This module is the chain mark of single events: does each hold what its id names, lie where it belongs, link to the version before?

One look-up for a whole page: the versions before those shown, by one Direct Get. What it says is about these events alone; a verdict
on an aggregate or a stream is the audit's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.persistence.chain.examine import Examiner, Seen, Unreadable
from apps.persistence.encoding import Cid, cid_of
from apps.persistence.errors import FeatureUnavailable
from apps.persistence.events import AggregateRef
from apps.persistence.store import Layout, Message, Store, chained_generations, find_layout, last_of_each


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainMark:
    """`state` is a cause of the audit, `linked`, `not_chained` or `unknown`; `reason` is a sentence."""

    state: str
    words: str
    reason: str


NOT_CHAINED = ChainMark(state="not_chained", words="Not chained", reason="No layout with versions describes its subject.")
NOT_CHECKED = ChainMark(state="unknown", words="Not checked", reason="The version before cannot be looked up: no Direct Get here.")
LINKED = ChainMark(state="linked", words="Linked", reason="Its bytes are what its id names, and it links to the version before.")
FIRST = ChainMark(state="linked", words="Linked", reason="Its bytes are what its id names; no version is before version 1.")
UNNAMED = ChainMark(state="linked", words="Linked", reason="It links to the version before. Its writer left no id that names its bytes.")


def layouts_of(layouts: Iterable[Layout], stream: str) -> list[Layout]:
    """The declared layouts that describe `stream`, one of a later generation too; none where no layout does."""
    declared = tuple(layouts)
    later = find_layout(declared, stream)
    return [layout for layout in declared if layout.stream == stream] or ([later] if later else [])


def layout_for(store: Store, stream: str, subject: str) -> Layout | None:
    """The layout by which a subject is read: that of its stream, else a versioned one that it fits (a mirror, or a stream with sources)."""
    own = layouts_of(store.layouts, stream)
    return next((layout for layout in own or chained_generations(store.connection, store.layouts) if layout.parse(subject)), None)


async def mark_events(store: Store, messages: Sequence[Message]) -> dict[int, ChainMark]:
    """The mark of each message, by sequence. All messages are of one stream."""
    marks: dict[int, ChainMark] = {}
    seen: dict[int, tuple[Seen, Layout]] = {}
    for message in messages:
        layout = layout_for(store, message.stream, message.subject)
        if layout is None or not layout.is_chained:
            marks[message.sequence] = NOT_CHAINED
            continue
        found = Examiner(layout).examine(message)
        fault = _own_fault(found)
        if fault is None and isinstance(found, Seen):
            seen[message.sequence] = found, layout
        else:
            marks[message.sequence] = fault or NOT_CHECKED
    before = await _versions_before(store, messages, seen.values())
    return marks | {sequence: _link_mark(found, before) for sequence, (found, _) in seen.items()}


def _own_fault(found: Seen | Unreadable) -> ChainMark | None:
    """What is wrong with the event by itself."""
    if isinstance(found, Unreadable):
        return ChainMark(state="undecodable", words="Cannot be decoded", reason=found.reason)
    if found.claimed:
        return ChainMark(
            state="content_changed",
            words="Content changed",
            reason=f"Its id names {Cid(found.claimed)}, but its bytes hash to {Cid(found.cid)}.",
        )
    if found.subject is not None:
        return ChainMark(
            state="misplaced", words="Misplaced", reason=f"The block says that it is {found.place}, its subject says otherwise."
        )
    return None


async def _versions_before(
    store: Store, messages: Sequence[Message], seen: Iterable[tuple[Seen, Layout]]
) -> Mapping[tuple[str, int], bytes] | None:
    """The CID of each version before one of those seen; None where they cannot be looked up."""
    patterns = sorted({_pattern_before(found, layout) for found, layout in seen if found.place.version > 1})
    if not patterns:
        return {}
    try:
        earlier = await last_of_each(store.connection, messages[0].stream, patterns)
    except FeatureUnavailable:
        return None
    known: dict[tuple[str, int], bytes] = {}
    for message in earlier:
        layout = layout_for(store, message.stream, message.subject)
        parts = layout.parse(message.subject) if layout else None
        if parts is not None and parts.version is not None:
            known[f"{parts.context}.{parts.aggregate}.{parts.entity}", parts.version] = cid_of(message.data).raw
    return known


def _pattern_before(found: Seen, layout: Layout) -> str:
    return layout.at_version(AggregateRef.parse(found.place.key), found.place.version - 1)


def _link_mark(found: Seen, before: Mapping[tuple[str, int], bytes] | None) -> ChainMark:
    if found.place.version == 1:
        if found.previous:
            return ChainMark(state="link_broken", words="Link broken", reason="It is version 1 and yet links to an event before it.")
        return FIRST if found.is_named else UNNAMED
    if before is None:
        return NOT_CHECKED
    cid = before.get((found.place.key, found.place.version - 1))
    if cid is None:
        return ChainMark(
            state="missing", words="Version before is missing", reason=f"Version {found.place.version - 1} is not in the stream."
        )
    if cid != found.previous:
        link = Cid(found.previous) if found.previous else "nothing"
        reason = f"It links to {link}, but version {found.place.version - 1} is {Cid(cid)}."
        return ChainMark(state="link_broken", words="Link broken", reason=reason)
    return LINKED if found.is_named else UNNAMED
