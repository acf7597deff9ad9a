"""This module is an aggregate's state at a version or a time: folded from a snapshot on where one can be used, with the same result.

A snapshot is used only if it has the definition's state schema and names the very event that is stored at its version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..encoding import Cid, cid_of, encode
from ..errors import AggregateNotFound, FeatureUnavailable, InvalidInput, InvalidState, NotFound
from ..events import AggregateDefinition, AggregateRef, Head, State, StoredEvent, fold, now
from ..store import Message, Store, decode_event, find_version, head_of, messages_of
from .snapshot import SNAPSHOTS_KEPT, Snapshot, Unusable, drop_unlinked, keep_newest, read_kept, read_last, write_snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAt:
    """A state and how it was come by. `snapshot_version` is None where the fold began at version 1; `unusable` are those left aside."""

    aggregate: AggregateRef
    version: int
    head: Head
    sequence: int
    state: State
    state_cid: Cid
    snapshot_version: int | None
    events_read: int
    unusable: tuple[Unusable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beginning:
    """Where a fold begins: at a snapshot or at nothing, with the messages that follow."""

    snapshot: Snapshot | None
    messages: list[Message]
    unusable: tuple[Unusable, ...] = ()


async def state_at(
    store: Store,
    definition: AggregateDefinition,
    ref: AggregateRef,
    *,
    version: int | None = None,
    use_snapshot: bool = True,
    known: Sequence[Message] = (),
) -> StateAt:
    """The state of `ref` after `version` (default: the newest; 0: before the first).

    Stored messages of it that were read just now may be handed over as `known`; where all that is needed is among them, they are not
    read again.

    Raises AggregateNotFound where nothing of it is stored, and NotFound for a version beyond the newest; InvalidState where a version is
    missing or there twice (verify the aggregate then), or where the fold refuses; InvalidEvent or EncodingError at an event that cannot
    be read.
    """
    _check(store, definition, ref)
    if version is not None and version < 0:
        raise InvalidInput(f"{ref} has no version {version}; versions begin at 1, and 0 is before the first.")
    if version == 0:
        return _fold(store, definition, ref, _Beginning(snapshot=None, messages=[]))
    if use_snapshot:
        beginning = await _from_snapshot(store, definition, ref, version, known)
    else:
        beginning = _Beginning(snapshot=None, messages=await _messages(store, ref, 1, version, known))
    found = _fold(store, definition, ref, beginning)
    if found.version == 0:
        raise AggregateNotFound(f"{store.layout.stream} holds no event of {ref}; check its name.")
    if version is not None and found.version != version:
        raise NotFound(f"{ref} is at version {found.version}; there is no version {version} yet.")
    return found


async def state_at_time(
    store: Store, definition: AggregateDefinition, ref: AggregateRef, moment: datetime, *, use_snapshot: bool = True
) -> StateAt:
    """The state as the server knew it at `moment`: after the last event stored until then; version 0 before the first.

    The version is found by halving, so few events are read. Raises as `state_at`.
    """
    _check(store, definition, ref)
    low, high = 0, (await head_of(store, ref)).version
    if high == 0:
        raise AggregateNotFound(f"{store.layout.stream} holds no event of {ref}; check its name.")
    while low < high:
        middle = (low + high + 1) // 2
        message = await find_version(store, ref, middle)
        if message is None:
            raise InvalidState(f"{ref} has no version {middle} although it goes on to {high}; verify the aggregate.")
        if message.time <= moment:
            low = middle
        else:
            high = middle - 1
    return await state_at(store, definition, ref, version=low, use_snapshot=use_snapshot)


async def take(
    store: Store, definition: AggregateDefinition, ref: AggregateRef, *, by: str, version: int | None = None, use_snapshot: bool = False
) -> Snapshot:
    """Keep the state of `ref` at `version` (default: the newest) and return the snapshot; the same one again is not written twice.

    It is folded from version 1, so that a fault in one snapshot cannot pass into the next; `use_snapshot` goes on from the last one
    instead. Of older ones so many stay as the definition's policy keeps. Raises as `state_at`, and InvalidState for a state above 16 MiB.
    """
    if store.upcasters.sealing.is_for(definition.key):
        raise InvalidInput(f"{'.'.join(definition.key)} is encrypted; a snapshot would keep the state of {ref} readable without its key.")
    if version is not None and version < 1:
        raise InvalidInput(f"A snapshot of {ref} at version {version} cannot be taken; versions begin at 1.")
    at = await state_at(store, definition, ref, version=version, use_snapshot=use_snapshot)
    assert at.head.cid is not None
    last = await read_last(store, ref)
    wanted = (at.version, at.head.cid, definition.schema, at.state_cid)
    if isinstance(last, Snapshot) and (last.version, last.cid, last.schema, last.state_cid) == wanted:
        return last
    snapshot = Snapshot(
        aggregate=ref,
        version=at.version,
        sequence=at.sequence,
        cid=at.head.cid,
        schema=definition.schema,
        state=at.state,
        taken_at=now(),
        by=by,
        generation=store.layout.generation,
    )
    before = (*last.apart, *([last.link] if last.link else [])) if isinstance(last, Snapshot) else ()
    revision = await write_snapshot(store, replace(snapshot, apart=before[-SNAPSHOTS_KEPT:]))
    if definition.snapshots is not None and definition.snapshots.keep < SNAPSHOTS_KEPT:
        await keep_newest(store, ref, definition.snapshots.keep)
    await drop_unlinked(store, ref, before)
    return replace(snapshot, revision=revision)


# -- helpers ---------------------------------------------------------------------------------------------------------------------------


async def _messages(store: Store, ref: AggregateRef, first: int, last: int | None, known: Sequence[Message]) -> list[Message]:
    """The stored messages from one version to another: those that are known, where each version is among them exactly once."""
    if last is not None and len(known) > last - first:
        versions = {parts.version: message for message in known if (parts := store.layout.parse(message.subject))}
        found = [versions[version] for version in range(first, last + 1) if version in versions]
        if len(versions) == len(known) and len(found) == last - first + 1:
            return found
    return await messages_of(store, ref, from_version=first, to_version=last)


async def _from_snapshot(
    store: Store, definition: AggregateDefinition, ref: AggregateRef, version: int | None, known: Sequence[Message]
) -> _Beginning:
    """The newest snapshot that can be used, with what follows it; else everything. What was left aside is named."""
    last = await read_last(store, ref)
    unusable: list[Unusable] = []
    if last is not None:
        found = await _from_one(store, definition, last, version, known)
        if isinstance(found, _Beginning):
            return found
        kept = await read_kept(store, ref)
        unusable.extend(kept.unusable)
        for snapshot in kept.snapshots:
            found = await _from_one(store, definition, snapshot, version, known)
            if isinstance(found, _Beginning):
                return replace(found, unusable=tuple(unusable))
            unusable.extend([found] if found else [])
    return _Beginning(snapshot=None, messages=await _messages(store, ref, 1, version, known), unusable=tuple(unusable))


async def _from_one(
    store: Store, definition: AggregateDefinition, snapshot: Snapshot | Unusable, version: int | None, known: Sequence[Message]
) -> _Beginning | Unusable | None:
    """A beginning at this snapshot; why it cannot be used; or None where it is only too new."""
    if isinstance(snapshot, Unusable):
        return snapshot
    if version is not None and snapshot.version > version:
        return None
    if snapshot.schema != definition.schema:
        return _left_aside(snapshot, f"Its state has schema {snapshot.schema}, and the definition has {definition.schema}.")
    serving = store.layout.generation
    if snapshot.generation not in (0, serving):
        return _left_aside(snapshot, f"It was taken of generation {snapshot.generation} of the stream, and generation {serving} is read.")
    messages = await _messages(store, snapshot.aggregate, snapshot.version, version, known)
    if not messages or cid_of(messages[0].data) != snapshot.cid or messages[0].sequence != snapshot.sequence:
        return _left_aside(snapshot, f"It was taken at the event {snapshot.cid}, which is not what is stored as its version.")
    return _Beginning(snapshot=snapshot, messages=messages[1:])


def _left_aside(snapshot: Snapshot, reason: str) -> Unusable:
    return Unusable(version=snapshot.version, revision=snapshot.revision, reason=reason)


def _fold(store: Store, definition: AggregateDefinition, ref: AggregateRef, beginning: _Beginning) -> StateAt:
    snapshot = beginning.snapshot
    stored = [decode_event(store, message) for message in beginning.messages]
    first = snapshot.version + 1 if snapshot else 1
    check_versions(ref, stored, first=first)
    events = [store.upcasters.upcast(one.event) for one in stored]
    state = fold(definition, events, onto=snapshot.state if snapshot else None)
    if stored:
        head, sequence = stored[-1].head, stored[-1].sequence
    elif snapshot:
        head, sequence = Head(aggregate=ref, version=snapshot.version, cid=snapshot.cid), snapshot.sequence
    else:
        head, sequence = Head(aggregate=ref), 0
    return StateAt(
        aggregate=ref,
        version=head.version,
        head=head,
        sequence=sequence,
        state=state,
        state_cid=cid_of(encode(state)),
        snapshot_version=snapshot.version if snapshot else None,
        events_read=len(stored),
        unusable=beginning.unusable,
    )


def check_versions(ref: AggregateRef, events: Sequence[StoredEvent], *, first: int) -> None:
    """Raise InvalidState unless these are events of `ref` whose versions follow one another from `first`."""
    for version, stored in enumerate(events, start=first):
        if stored.event.aggregate != ref or stored.event.version != version:
            found = f"{stored.event.aggregate} version {stored.event.version}"
            raise InvalidState(
                f"{ref} cannot be folded: where its version {version} is due, {found} lies at sequence {stored.sequence:,}. "
                "Verify the aggregate to see what happened."
            )


def _check(store: Store, definition: AggregateDefinition, ref: AggregateRef) -> None:
    if (ref.context, ref.type) != definition.key:
        raise InvalidInput(f"{ref} is not of the type {'.'.join(definition.key)}; fold it by its own definition.")
    if not store.layout.takes_events:
        raise FeatureUnavailable(f"Events in {store.layout.stream} carry no versions, so {ref} has no state at a version.")
