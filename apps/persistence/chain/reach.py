"""This module is the reading that verification needs beside a whole stream: one aggregate, and what lies before a range. No consumers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from ..errors import FeatureUnavailable
from ..events import AggregateRef
from ..store import Message, Store, get_last, last_of_each, read_batch, subjects_matching
from .examine import Place

SUBJECTS_AT_ONCE = 500
PLACES_AT_ONCE = 250
_EVERY_SUBJECT = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The newest event of an aggregate before a range. `is_late` says that the aggregate was beyond `place` already, but lacked it."""

    place: Place
    message: Message
    is_late: bool


async def messages_by_version(store: Store, ref: AggregateRef) -> AsyncIterator[list[Message]]:
    """Every message of an aggregate in the order of its versions, in lists that are never empty; repeated subjects in full."""
    stream = store.layout.stream
    subjects = await subjects_matching(store.connection, stream, store.layout.all_of(ref), limit=_EVERY_SUBJECT)
    in_order = sorted(subjects, key=lambda subject: (_version(store, subject), subject))
    for start in range(0, len(in_order), SUBJECTS_AT_ONCE):
        chunk = in_order[start : start + SUBJECTS_AT_ONCE]
        found = await _newest_of(store, [subject for subject in chunk if subjects[subject] == 1])
        for subject in chunk:
            if subjects[subject] > 1:
                found.extend(await _all_under(store, subject))
        if found:
            yield sorted(found, key=lambda message: (_version(store, message.subject), message.sequence))


async def newest_before(store: Store, places: Collection[Place], sequence: int) -> list[Before]:
    """For each of `places`, the first event of an aggregate in a range, the aggregate's newest event before `sequence`, if there is one."""
    wanted, found = list(places), []
    for start in range(0, len(wanted), PLACES_AT_ONCE):
        chunk = wanted[start : start + PLACES_AT_ONCE]
        versions = [(place.key, version) for place in chunk for version in range(max(1, place.version - 1), place.version + 2)]
        stored = await _stored(store, versions, sequence)
        found.extend([before for place in chunk if (before := await _choose(store, place, stored, sequence))])
    return found


async def _choose(store: Store, place: Place, stored: dict[tuple[str, int], Message], sequence: int) -> Before | None:
    key, version, _ = place
    newest = stored.get((key, version + 1)) or stored.get((key, version))
    if newest is None:
        message = stored.get((key, version - 1)) or await _by_leader(store, key, version - 1, sequence)
        return Before(place=place, message=message, is_late=False) if message else None
    is_late = (key, version) not in stored
    top = version + 1
    while page := await _stored(store, [(key, top + step) for step in range(1, SUBJECTS_AT_ONCE)], sequence):
        top = max(found for _, found in page)
        newest = page[(key, top)]
    return Before(place=place, message=newest, is_late=is_late)


async def _by_leader(store: Store, key: str, version: int, before: int) -> Message | None:
    """A version that a replica did not have, as it may be behind."""
    if version < 1:
        return None
    message = await get_last(store.connection, store.layout.stream, f"{store.layout.root}.{key}.*.v{version}", leader=True)
    return message if message is not None and message.sequence < before else None


async def _stored(store: Store, versions: Sequence[tuple[str, int]], before: int) -> dict[tuple[str, int], Message]:
    """Which of these versions lie before a sequence."""
    patterns = [f"{store.layout.root}.{key}.*.v{version}" for key, version in versions]
    messages = await _newest_of(store, patterns, up_to_sequence=before - 1)
    found: dict[tuple[str, int], Message] = {}
    for message in messages:
        parts = store.layout.parse(message.subject)
        if parts is not None and parts.version is not None and message.sequence < before:
            found[f"{parts.context}.{parts.aggregate}.{parts.entity}", parts.version] = message
    return found


async def _newest_of(store: Store, patterns: Sequence[str], *, up_to_sequence: int | None = None) -> list[Message]:
    """The newest message under each pattern; one by one where the server cannot give them together."""
    if not patterns:
        return []
    stream = store.layout.stream
    try:
        return await last_of_each(store.connection, stream, patterns, up_to_sequence=up_to_sequence)
    except FeatureUnavailable:
        singly = [await get_last(store.connection, stream, pattern) for pattern in patterns]
        return [message for message in singly if message is not None]


async def _all_under(store: Store, subject: str) -> list[Message]:
    found: list[Message] = []
    position = 1
    while True:
        batch = await read_batch(store.connection, store.layout.stream, from_sequence=position, pattern=subject)
        found.extend(batch.messages)
        if not batch.messages or not batch.pending:
            return found
        position = batch.messages[-1].sequence + 1


def _version(store: Store, subject: str) -> int:
    parts = store.layout.parse(subject)
    return (parts.version or 0) if parts else 0
