"""This module is the schedules as the audit page lists them: what is asked for again and again, when next, and what came of it last."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from apps.persistence.events import now
from apps.persistence.operations import OPERATIONS
from apps.persistence.store import Store
from apps.persistence.work.run import Run, load_run
from apps.persistence.work.schedules import Schedule, list_schedules


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A schedule with the last run that it asked for, None where there is none yet."""

    schedule: Schedule
    run: Run | None

    @property
    def title(self) -> str:
        """The operation, for people."""
        known = OPERATIONS.get(self.schedule.operation)
        return known.title if known else self.schedule.operation

    @property
    def state(self) -> str:
        """In one word: failing, or how the last run stands; broken where it found faults."""
        if self.schedule.is_failing:
            return "failed"
        if self.run is None:
            return "unknown" if self.schedule.note else "waiting"
        return "broken" if self.run.figures.get("intact") is False else self.run.state.value

    @property
    def is_due(self) -> bool:
        """Whether its time has come: a worker asks for it within seconds, or waits for its last run to end."""
        return self.schedule.next_at <= now()

    @property
    def change_url(self) -> str:
        """The form that sets it anew, as it is."""
        schedule = self.schedule
        given = {"what": schedule.operation, "parameters": schedule.given, "every": schedule.every, "name": schedule.name}
        return f"{reverse('runs:new', args=['set-schedule'])}?{urlencode(given)}"

    @property
    def remove_url(self) -> str:
        """The review of its removal."""
        return f"{reverse('runs:review', args=['remove-schedule'])}?{urlencode({'name': self.schedule.name})}"


async def read_schedules(store: Store) -> list[Scheduled]:
    """Every schedule, by name. Raises Unavailable."""
    found = []
    for schedule in await list_schedules(store.connection):
        run = await load_run(store, schedule.run) if schedule.run else None
        found.append(Scheduled(schedule=schedule, run=run))
    return found
