"""This module is accepting drift: somebody with the right says that what differs from what was accepted is as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..drift import Difference, DriftRecord, accept, accepted, note, read_drift, read_record, title_of, value_words, write_record
from ..errors import InvalidInput, RevisionConflict
from ..registry import Registry
from ..store import Store
from ..work.operation import Change, Outcome, Plan, Progress

_TRIES = 5


async def drifted_things(store: Store, registry: Registry) -> Sequence[str]:
    """What has an alarm now."""
    return list(dict.fromkeys(alarm.what for alarm in (await read_drift(store)).alarms if alarm.is_acceptable))


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptDrift:
    """Accepts what is different about a stream, a server or a schedule: what it is now counts as right from then on."""

    title: ClassVar[str] = "Accept drift"
    permission: ClassVar[str] = "operations.accept_drift"
    unit: ClassVar[str] = "fields"

    what: str = field(metadata={"help": "stream/NAME, server/NAME or schedule/NAME.", "choices": drifted_things})

    @property
    def target(self) -> str:
        """One at a time for each stream, server or schedule."""
        return f"drift/{self.what.replace('/', '-', 1)}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """Each field that would be accepted. Raises InvalidInput where nothing differs."""
        record = await self._record(store)
        changes = tuple(
            Change(what=title_of(one.field), now=value_words(one.field, one.before), after=value_words(one.field, one.after))
            for one in record.alarms
        )
        count = len(changes)
        return Plan(
            summary=f"Accept {count} change{'' if count == 1 else 's'} of {record.name}",
            saw={one.field: value_words(one.field, one.after) for one in record.alarms},
            changes=changes,
            notes=(
                "No recorded run of the console is the cause. Find out who is, before you accept.",
                "Nothing of what is watched is changed; the alarm ends, and the operator trail keeps who accepted what, and why.",
            ),
            undo="What was accepted cannot be taken back; where the field changes once more, that is an alarm again.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Note it in the trail, then accept; accepted already, by an earlier attempt, is the same end."""
        alarms: tuple[Difference, ...] = ()
        for attempt in range(_TRIES):
            try:
                alarms = await self._accept(store, progress)
                break
            except RevisionConflict:  # the watch has looked meanwhile
                if attempt == _TRIES - 1:
                    raise
        said = "; ".join(f"{title_of(one.field)}: {value_words(one.field, one.after)}" for one in alarms) or "as it was accepted before"
        return Outcome(sentence=f"Accepted of {self.what.partition('/')[2]}: {said}.", figures={"fields": len(alarms)})

    async def _accept(self, store: Store, progress: Progress) -> tuple[Difference, ...]:
        record = await read_record(store.connection, self.what)
        alarms = record.alarms if record else ()
        if record and alarms:
            events = [accepted(self.what, one, by=progress.requested_by, run=progress.run_id, reason=progress.reason) for one in alarms]
            await note(store, self.what, events)
            await write_record(store.connection, accept(record, (one.field for one in alarms), by=progress.requested_by))
        return alarms

    async def _record(self, store: Store) -> DriftRecord:
        record = await read_record(store.connection, self.what)
        if record is None or not record.alarms:
            raise InvalidInput(f"Nothing about {self.what[:80]} differs from what was accepted, so there is nothing to accept.")
        return record
