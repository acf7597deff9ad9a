"""This module is proving all that is kept of an aggregate: the state from each snapshot and the rest is that from all events, by CID."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ..encoding import Cid, Value, cid_of, encode
from ..errors import InvalidInput, StreamNotFound
from ..events import AggregateDefinition, AggregateRef, State, StoredEvent, fold
from ..events.diff import Change, diff_states
from ..store import Message, Store, decode_event, find_version, known_generations, messages_of, stream_name
from .snapshot import Kept, Snapshot, read_kept
from .state import check_versions

PLACES_NAMED = 5
VALUE_LETTERS = 80


class SnapshotCause(StrEnum):
    """What is wrong with a kept snapshot."""

    DRIFT = "drift"
    OTHER_EVENT = "other_event"
    AHEAD = "ahead"
    OTHER_SCHEMA = "other_schema"
    UNKNOWN_AGGREGATE = "unknown_aggregate"
    UNDECODABLE = "undecodable"
    UNFOLDABLE = "unfoldable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFault:
    """One kept snapshot that does not hold. `expected` and `found` are short texts, for a drift the CIDs of the states."""

    cause: SnapshotCause
    version: int | None
    expected: str
    found: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProof:
    """What was held against the events of one aggregate, and what of it does not hold.

    `elsewhere` counts, by stream, those that were taken of another generation, where they are true: they are not used, and no fault.
    """

    snapshots: int
    events: int
    faults: tuple[SnapshotFault, ...]
    elsewhere: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folded:
    """An aggregate folded from its first event: the states at the versions that are wanted, and after the last."""

    states: dict[int, tuple[State, Cid]]
    stored: Sequence[StoredEvent]
    last: Cid


async def prove_kept(store: Store, definition: AggregateDefinition | None, key: str) -> KeptProof:
    """Prove every snapshot under a key of the bucket. `definition` is None where no domain declares the type.

    Raises what the aggregate's own code raises, and InvalidState, InvalidEvent or EncodingError where its events cannot be folded.
    """
    try:
        ref = AggregateRef.parse(key)
    except InvalidInput as error:
        return KeptProof(snapshots=1, events=0, faults=(_unknown(None, f"Its name {key} is none of an aggregate: {error}"),))
    kept = await read_kept(store, ref)
    faults = [_undecodable(one.version, one.reason) for one in kept.unusable]
    messages = await messages_of(store, ref)
    kept, elsewhere = await _sort_out(store, kept, messages)
    if definition is None or not messages:
        reason = f"no domain declares {ref.context}.{ref.type}" if messages else f"no event of {ref} is stored"
        faults += [_unknown(one.version, f"It cannot be proved, as {reason}.") for one in kept.snapshots]
        return KeptProof(snapshots=_count(kept), events=0, faults=tuple(faults), elsewhere=elsewhere)
    stored = [decode_event(store, message) for message in messages]
    check_versions(ref, stored, first=1)
    usable = [one for one in kept.snapshots if one.schema == definition.schema and one.version <= len(stored)]
    folded = _fold(store, definition, stored, {one.version for one in usable})
    for one in kept.snapshots:
        fault = _judge(store, definition, folded, one)
        faults += [fault] if fault else []
    return KeptProof(snapshots=_count(kept), events=len(stored), faults=tuple(faults), elsewhere=elsewhere)


async def _sort_out(store: Store, kept: Kept, messages: Sequence[Message]) -> tuple[Kept, Mapping[str, int]]:
    """Those to be held against these messages, and how many were taken of each other generation."""
    here: list[Snapshot] = []
    elsewhere: Counter[str] = Counter()
    for one in kept.snapshots:
        at = messages[one.version - 1] if one.version <= len(messages) else None
        stream = "" if at is not None and _is_taken_at(one, at) else await _stream_elsewhere(store, one)
        if stream:
            elsewhere[stream] += 1
        else:
            here.append(one)
    return Kept(snapshots=tuple(here), unusable=kept.unusable), dict(elsewhere)


async def _stream_elsewhere(store: Store, snapshot: Snapshot) -> str:
    """The stream of another generation that stores the very event it was taken at, empty where none does.

    What it records is believed without its event only where that generation is not there any more.
    """
    layout = store.layout
    known = range(1, known_generations(store.connection, layout.name).last + 1)
    for number in known:
        if number == layout.generation or snapshot.generation not in (0, number):
            continue
        stream = stream_name(layout.name, number)
        other = store.on_stream(stream)
        try:
            message = await find_version(other, snapshot.aggregate, snapshot.version) if other else None
        except StreamNotFound:
            if snapshot.generation:
                return stream
            continue
        if message is not None and _is_taken_at(snapshot, message):
            return stream
    return ""


def _is_taken_at(snapshot: Snapshot, message: Message) -> bool:
    return message.sequence == snapshot.sequence and cid_of(message.data) == snapshot.cid


def _count(kept: Kept) -> int:
    return len(kept.snapshots) + len(kept.unusable)


def _fold(store: Store, definition: AggregateDefinition, stored: Sequence[StoredEvent], wanted: Collection[int]) -> _Folded:
    state: State = dict(definition.initial)
    states: dict[int, tuple[State, Cid]] = {}
    for one in stored:
        state = definition.next_state(state, store.upcasters.upcast(one.event))
        if one.event.version in wanted:
            states[one.event.version] = (state, cid_of(encode(state)))
    return _Folded(states=states, stored=stored, last=cid_of(encode(state)))


def _judge(store: Store, definition: AggregateDefinition, folded: _Folded, snapshot: Snapshot) -> SnapshotFault | None:
    version, head = snapshot.version, len(folded.stored)
    if snapshot.schema != definition.schema:
        return _fault(
            SnapshotCause.OTHER_SCHEMA, version, f"schema {definition.schema}", f"schema {snapshot.schema}",
            "It holds a state of another schema than the definition's, so it is left aside; take a new one.",
        )  # fmt: skip
    if version > head:
        return _fault(
            SnapshotCause.AHEAD, version, f"version {head} at most", f"version {version}",
            f"It was taken at version {version}, and the aggregate ends at {head}: events were lost, purged, or restored without it.",
        )  # fmt: skip
    at = folded.stored[version - 1]
    if snapshot.cid != at.cid or snapshot.sequence != at.sequence:
        return _fault(
            SnapshotCause.OTHER_EVENT, version, _place(at.cid, at.sequence), _place(snapshot.cid, snapshot.sequence),
            f"It was taken at another event than the one that is stored as version {version}, so it is left aside.",
        )  # fmt: skip
    return _compare(store, definition, folded, snapshot)


def _compare(store: Store, definition: AggregateDefinition, folded: _Folded, snapshot: Snapshot) -> SnapshotFault | None:
    state, expected = folded.states[snapshot.version]
    if snapshot.state_cid != expected:
        places = diff_states(state, snapshot.state)
        return _fault(
            SnapshotCause.DRIFT, snapshot.version, str(expected), str(snapshot.state_cid),
            f"The state that it holds is not the one that the events make: {_in_words(places)}. Loading from it gives a wrong state.",
        )  # fmt: skip
    rest = [store.upcasters.upcast(one.event) for one in folded.stored[snapshot.version :]]
    found = cid_of(encode(fold(definition, rest, onto=snapshot.state)))
    if found == folded.last:
        return None
    return _fault(
        SnapshotCause.DRIFT, snapshot.version, str(folded.last), str(found),
        f"From it and the {len(rest):,} events after it comes another state than from all events, although it holds what they make: "
        "the code that applies events does not always give the same.",
    )  # fmt: skip


def _in_words(places: Sequence[Change]) -> str:
    named = [f"{one.place}: expected {_short(one.before)}, found {_short(one.after)}" for one in places[:PLACES_NAMED]]
    more = len(places) - len(named)
    return "; ".join(named) + (f"; and {more:,} more places" if more > 0 else "")


def _short(value: Value) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= VALUE_LETTERS else f"{text[:VALUE_LETTERS]}…"


def _place(cid: Cid, sequence: int) -> str:
    return f"{cid} at sequence {sequence:,}"


def _unknown(version: int | None, explanation: str) -> SnapshotFault:
    return _fault(SnapshotCause.UNKNOWN_AGGREGATE, version, "an aggregate with events and a definition", "none", explanation)


def _undecodable(version: int | None, reason: str) -> SnapshotFault:
    return _fault(SnapshotCause.UNDECODABLE, version, "a snapshot", "something else", reason)


def _fault(cause: SnapshotCause, version: int | None, expected: str, found: str, explanation: str) -> SnapshotFault:
    return SnapshotFault(cause=cause, version=version, expected=expected, found=found, explanation=explanation)
