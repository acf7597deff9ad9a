"""This module is which recorded run of the console made a change, as its events in CIM-CONSOLE and its record of removals say it.

The list of runs only says where to look; what counts is the run's own events. Nothing explains that a stream was made anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..chain.removal_runs import confirmed_removals
from ..chain.removals import Removal
from ..store import Store, StreamInfo
from ..work.run import Run, RunState, load_run
from ..work.run_index import list_runs
from .facts import CREATED, DELETED, EXISTS, FIRST, Facts, config_facts
from .record import Explained

CHANGING, SEALING, DELETING = "change-stream", "seal", "delete-stream"
SETTING, REMOVING = "set-schedule", "remove-schedule"
_CLOSING = frozenset({"migrate", "archive", "roll-back-archive"})
_DROPPING = _CLOSING | {"restore", "restore-archive"}
_EXPLAINING = _DROPPING | {CHANGING, SEALING, DELETING, SETTING, REMOVING}
_SEALED_WITH = frozenset({"sealed", "deny_delete", "deny_purge", "allow_rollup_hdrs", "max_age", "discard", "allow_msg_ttl"})
_MAX_SIZES = (1, None)
_LOOKED_AT_RUNS = 50
_CLOCKS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What explains a field: `found`, or that a run which may be its cause `is_running` still."""

    found: Explained | None = None
    is_running: bool = False


class Explaining:
    """The runs that were at work since a moment, and the removals of a stream; read when they are first needed."""

    def __init__(self, store: Store, *, since: datetime | None, at: datetime) -> None:
        self._store = store
        self._since = since
        self._at = at
        self._runs: list[Run] | None = None
        self._reading = asyncio.Lock()

    async def explain(self, stream: str, info: StreamInfo | None, accepted: Facts, facts: Facts, field: str) -> Answer:
        """Why `field` of a stream is as it is now."""
        before, after = accepted.get(field), facts.get(field)
        if field == CREATED:
            return Answer()
        if field in (FIRST, DELETED):
            is_same = facts.get(CREATED) == accepted.get(CREATED)
            removal = await self._removal_behind(info, facts) if info and is_same else None
            if removal is None:
                return Answer()
            return Answer(found=self._explained(field, before, after, removal.run_id, removal.operation, removal.by))
        is_running = False
        for run in await self._near():
            if not _concerns(run, stream, field, after):
                continue
            if _made(run, field, after):
                return Answer(found=self._explained(field, before, after, run.id, run.operation, run.requested_by))
            is_running = is_running or run.state is RunState.RUNNING
        return Answer(is_running=is_running)

    async def explain_schedule(self, name: str, accepted: Facts, facts: Facts, field: str) -> Answer:
        """Why `field` of a schedule is as it is now; what no run explains yet waits, as a short run may not be listed for a moment."""
        wanted = SETTING if facts.get(EXISTS) else REMOVING
        made = (run for run in await self._near() if run.operation == wanted and run.target == f"schedule/{name}")
        run = next((run for run in made if run.state is RunState.FINISHED), None)
        if run is None:
            return Answer(is_running=True)
        return Answer(found=self._explained(field, accepted.get(field), facts.get(field), run.id, run.operation, run.requested_by))

    def _explained(self, field: str, before: Any, after: Any, run: str, operation: str, by: str) -> Explained:
        return Explained(field=field, before=before, after=after, run=run, operation=operation, by=by, at=self._at)

    async def _near(self) -> list[Run]:
        """The runs of operations that change streams and had not ended before the last look, newest first, from their own events."""
        async with self._reading:
            if self._runs is None:
                page = await list_runs(self._store.connection, limit=_LOOKED_AT_RUNS)
                listed = [run for run in page.runs if run.operation in _EXPLAINING]
                loaded = await asyncio.gather(*(load_run(self._store, run.id) for run in listed))
                self._runs = [run for run in loaded if run and not run.is_dry_run and run.started_at and self._is_near(run)]
            return self._runs

    def _is_near(self, run: Run) -> bool:
        return self._since is None or run.ended_at is None or run.ended_at >= self._since - _CLOCKS

    async def _removal_behind(self, info: StreamInfo, facts: Facts) -> Removal | None:
        """The newest removal, where all of them together account for everything that is not there."""
        removals = await confirmed_removals(self._store, info)
        first, deleted = facts[FIRST], facts[DELETED]
        assert isinstance(first, int)
        assert isinstance(deleted, int)
        gone = sorted({part for removal in removals if removal.is_exact for part in removal.ranges})
        reached, behind = 1, 0
        for part in gone:
            if part.first <= reached:
                reached = max(reached, part.last + 1)
            behind += max(0, part.last - max(part.first, first) + 1)
        if first > max(reached, 1) or deleted > behind:
            return None
        return max(removals, key=lambda removal: removal.at, default=None)


def _concerns(run: Run, stream: str, field: str, after: Any) -> bool:
    """Whether a run of this operation and target may change the field."""
    if run.operation in (CHANGING, SEALING, DELETING) and run.target != f"stream/{stream}":
        return False
    if field == EXISTS:
        return run.operation == DELETING or run.operation in _DROPPING
    if run.operation in _CLOSING:
        return field == "max_msg_size" and after in _MAX_SIZES
    return run.operation == CHANGING or (run.operation == SEALING and field in _SEALED_WITH)


def _made(run: Run, field: str, after: Any) -> bool:
    """Whether the run has made this change: what was changed stands in its receipt; a migration closes its stream on the way."""
    if run.operation != CHANGING:
        return run.state is RunState.FINISHED or run.operation in _CLOSING
    changed = run.figures.get("config")
    return isinstance(changed, Mapping) and field in changed and config_facts(changed).get(field) == after
