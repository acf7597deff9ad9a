"""This module is the watch: one worker looks at streams with chains, the console's own, servers and schedules, again and again.

What differs from what was accepted is explained by a run, or is an alarm, and once an event of the operator trail. It stays one until a
person accepts it, or the field goes back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from ..chain.limits import drift_key
from ..chain.marks import MARKS_BUCKET
from ..chain.removals import REMOVALS_BUCKET
from ..errors import PersistenceError, RevisionConflict
from ..events import NewEvent, now
from ..log.kept import TILES_BUCKET
from ..log.published import CHECKPOINTS_BUCKET
from ..store import AGGREGATES_STREAM, COMMANDS_STREAM, Store, StreamInfo, list_streams
from ..work.schedules import SCHEDULES_BUCKET, find_schedule, list_schedules
from .explaining import Answer, Explaining
from .facts import EXISTS, GONE, RECORD, Facts, differing, first_accepted, schedule_facts, stream_facts
from .record import Difference, DriftRecord, Explained, Records, drop_record, ensure_drift, read_records, write_look, write_record
from .servers import SYNC, read_servers
from .trail import drifted, ended, note

DRIFT_LEASE = "drift"
LOOK_SECONDS = 5.0
RUNNING = timedelta(seconds=12)
"""So long a change waits for the run that may be its cause; then it is an alarm until the run says so."""
AT_ONCE = 16
_OWN_BUCKETS = (TILES_BUCKET, CHECKPOINTS_BUCKET, REMOVALS_BUCKET, MARKS_BUCKET, SCHEDULES_BUCKET)
OWN_STREAMS = (AGGREGATES_STREAM, COMMANDS_STREAM, *(f"KV_{name}" for name in _OWN_BUCKETS))

log = logging.getLogger(__name__)


_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What the trail is to say of a watched thing, whose record is kept already."""

    record: DriftRecord
    events: list[NewEvent]


class Held(Protocol):
    """A lease while it is held."""

    @property
    def lost(self) -> asyncio.Event: ...


async def watch_drift(
    store: Store, chained: Callable[[], list[str]], hold_lease: Callable[[str], AbstractAsyncContextManager[Held]]
) -> None:
    """Look at the streams that `chained` names, and at all others that are watched, until cancelled, whenever this worker has the lease."""
    while True:
        try:
            async with hold_lease(DRIFT_LEASE) as lease:
                await ensure_drift(store.connection)
                while not lease.lost.is_set():
                    await look(store, chained())
                    await asyncio.sleep(LOOK_SECONDS)
        except PersistenceError as error:
            log.warning("drift is not watched: %s", error)
        await asyncio.sleep(LOOK_SECONDS)


async def look(store: Store, chained: list[str]) -> None:
    """Compare everything with what was accepted, once, and several at the same time; all alarms stand before the trail is told of any.

    Raises Unavailable.
    """
    connection, at = store.connection, now()
    records = await read_records(connection)
    explaining = Explaining(store, since=records.looked_at, at=at)
    streams = {info.name: info for info in await list_streams(connection)}
    named = _names(records, "stream")
    watched = dict.fromkeys([*chained, *OWN_STREAMS, *named])
    comparing = [
        _compare_stream(store, explaining, records, streams.get(name), name, at) for name in watched if name in streams or name in named
    ]
    schedules = dict.fromkeys([schedule.name for schedule in await list_schedules(connection)] + _names(records, "schedule"))
    comparing += [_compare_schedule(store, explaining, records, name, at) for name in schedules]
    news = await _some_at_once(comparing)
    servers = await read_servers(connection)
    news += await _some_at_once([_compare_server(store, records, name, servers[name], at) for name in servers])
    await _some_at_once([_tell(store, one) for one in news if one is not None])
    await write_look(connection)


async def _some_at_once(work: Sequence[Coroutine[None, None, _Result]]) -> list[_Result]:
    """What each gives, so many at once. Raises what the first one raised, once all have ended."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(part: Coroutine[None, None, _Result]) -> _Result:
        async with free:
            return await part

    found = await asyncio.gather(*(one(part) for part in work), return_exceptions=True)
    results: list[_Result] = []
    for result in found:
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results


async def _compare_stream(
    store: Store, explaining: Explaining, records: Records, info: StreamInfo | None, name: str, at: datetime
) -> _News | None:
    facts = stream_facts(info, is_chained=name not in OWN_STREAMS) if info else GONE
    what = f"stream/{name}"
    record = records.by_what.get(what)
    before = record or _taken(records, what, first_accepted(facts), at)
    answers = {field: await explaining.explain(name, info, before.accepted, facts, field) for field in differing(before.accepted, facts)}
    return await _settle(store, before, facts, answers, at, is_new=record is None)


async def _compare_schedule(store: Store, explaining: Explaining, records: Records, name: str, at: datetime) -> _News | None:
    schedule = await find_schedule(store.connection, name)
    facts = schedule_facts(schedule) if schedule else GONE
    what = f"schedule/{name}"
    record = records.by_what.get(what)
    before = record or _taken(records, what, facts, at)
    answers = {field: await explaining.explain_schedule(name, before.accepted, facts, field) for field in differing(before.accepted, facts)}
    return await _settle(store, before, facts, answers, at, is_new=record is None)


async def _settle(
    store: Store, before: DriftRecord, facts: Facts, answers: dict[str, Answer], at: datetime, *, is_new: bool
) -> _News | None:
    """Keep what was found; what a run removed, or somebody set again after that was accepted, is watched anew."""
    explained = [answer.found for answer in answers.values() if answer.found]
    if any(one.field == EXISTS for one in explained):
        await drop_record(store.connection, before.what)
        return None
    return await _keep(store, before, compare(before, facts, answers, at), explained, is_new=is_new)


def _taken(records: Records, what: str, accepted: Facts, at: datetime) -> DriftRecord:
    """A new record of what is now; where somebody wrote something else in the place of the one before, with an alarm about that."""
    lost = records.unreadable.get(drift_key(what))
    record = DriftRecord(what=what, accepted=accepted, accepted_at=at)
    return replace(record, differences=(lost.difference,), revision=lost.revision) if lost else record


async def _compare_server(store: Store, records: Records, name: str, facts: Facts, at: datetime) -> _News | None:
    """What one server says. What nobody could ask for stays as it was; what is said for the first time is taken as right."""
    what = f"server/{name}"
    record = records.by_what.get(what)
    if record is None:
        taken = _taken(records, what, facts, at)
        return await _keep(store, taken, taken, [], is_new=True)
    accepted = record.accepted if SYNC in record.accepted or SYNC not in facts else {**record.accepted, SYNC: facts[SYNC]}
    known = facts if SYNC in facts or SYNC not in accepted else {**facts, SYNC: _last_known(record)}
    before = replace(record, accepted=accepted)
    after = compare(before, known, {field: Answer() for field in differing(accepted, known)}, at)
    return await _keep(store, before, after, [], is_new=accepted is not record.accepted)


def _last_known(record: DriftRecord) -> str:
    found = record.find(SYNC)
    return str(found.after if found else record.accepted[SYNC])


def compare(record: DriftRecord, facts: Facts, answers: dict[str, Answer], at: datetime) -> DriftRecord:
    """The record after a look: `answers` holds every field that differs, with what explains it. Pure.

    That the record itself was changed stays an alarm until somebody accepts it.
    """
    explained = [answer.found for answer in answers.values() if answer.found]
    changed = record.find(RECORD)
    differences = [_difference(record, facts, field, at, waits=answer.is_running) for field, answer in answers.items() if not answer.found]
    return replace(record.with_explained(explained), differences=(*([changed] if changed else []), *differences))


def _difference(record: DriftRecord, facts: Facts, field: str, at: datetime, *, waits: bool) -> Difference:
    known, after = record.find(field), facts.get(field)
    since = known.since if known else at
    is_alarm = (known.is_alarm if known else False) or not waits or at - since > RUNNING
    is_noted = known.is_noted if known and known.after == after else False
    return Difference(field=field, before=record.accepted.get(field), after=after, since=since, is_alarm=is_alarm, is_noted=is_noted)


def _names(records: Records, kind: str) -> list[str]:
    """What is watched of a kind, such as stream, as far as its records say; also by those that cannot be read."""
    named = (what.partition("/") for what in [*records.by_what, *(one.what for one in records.unreadable.values())])
    return [name for found, _, name in named if found == kind]


async def _keep(store: Store, before: DriftRecord, after: DriftRecord, explained: list[Explained], *, is_new: bool) -> _News | None:
    """Write what has changed, and return what the trail is to say of it."""
    if is_new or after != before:
        try:
            after = await write_record(store.connection, after)
        except RevisionConflict:  # a person has just accepted something: the next look sees it
            return None
    events = _news(before, after, {one.field: one.run for one in explained})
    return _News(record=after, events=events) if events else None


async def _tell(store: Store, news: _News) -> None:
    """Have the trail say it, and note that it does; an alarm stands also while it cannot."""
    after = news.record
    try:
        await note(store, after.what, news.events)
    except PersistenceError as error:
        log.warning("an alarm about %s is not in the trail yet: %s", after.what, error)
        return
    noted = tuple(replace(one, is_noted=one.is_alarm) for one in after.differences)
    if noted != after.differences:
        with suppress(RevisionConflict):  # a person has accepted it meanwhile
            await write_record(store.connection, replace(after, differences=noted))


def _news(before: DriftRecord, after: DriftRecord, runs: dict[str, str]) -> list[NewEvent]:
    new = [drifted(after.what, one) for one in after.alarms if not one.is_noted]
    over = [one for one in before.differences if one.is_noted and after.find(one.field) is None]
    return new + [ended(after.what, one, run=runs.get(one.field, "")) for one in over]
