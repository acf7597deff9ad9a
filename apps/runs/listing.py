"""This module is the list of runs as its address asks for it: filtered, newest first, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from apps.persistence.errors import InvalidInput
from apps.persistence.events import now
from apps.persistence.store import Store
from apps.persistence.store.positions import parse_position
from apps.persistence.work.heartbeat import list_workers
from apps.persistence.work.run import Run, RunState
from apps.persistence.work.run_index import RunPage, RunQuery, list_runs

from .asking import waiting_requests
from .catalogue import Choice, choices, title_of

PAGE_RUNS = 50
FILTERS = ("state", "operation", "person", "target", "since", "until", "before")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run in a list, with the title of its operation."""

    run: Run
    title: str

    @property
    def seconds(self) -> float | None:
        """How long it took from its first start to its end."""
        run = self.run
        return (run.ended_at - run.started_at).total_seconds() if run.ended_at and run.started_at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page. `newest` is the id of the newest run of all, by which a page knows that there is a newer one.

    `waiting` are the runs that were asked for and that no worker has taken up; they are in no list yet.
    """

    query: RunQuery
    since: str
    until: str
    rows: tuple[RunRow, ...]
    older: str | None
    before: str
    newest: str
    workers_alive: int
    waiting: tuple[str, ...] = ()

    @property
    def is_filtered(self) -> bool:
        return self.query != RunQuery()

    @property
    def choices(self) -> tuple[Choice, ...]:
        return choices()

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(RunState)


async def read_listing(store: Store, given: Mapping[str, str]) -> Listing:
    """The page that an address asks for. Raises InvalidInput for a state that no run can be in."""
    query, before = read_query(given), given.get("before", "").strip()
    page = await list_runs(store.connection, query, before=before, limit=PAGE_RUNS)
    is_first = query == RunQuery() and not before
    newest = page if is_first else await list_runs(store.connection, limit=1)
    return Listing(
        query=query,
        since=given.get("since", "").strip(),
        until=given.get("until", "").strip(),
        rows=rows_of(page),
        older=page.older,
        before=before,
        newest=newest.runs[0].id if newest.runs else "",
        workers_alive=len(await list_workers(store.connection)),
        waiting=await waiting_requests(store.connection),
    )


def read_query(given: Mapping[str, str]) -> RunQuery:
    """The filter in an address. Raises InvalidInput."""
    state = given.get("state", "").strip()
    if state and state not in set(RunState):
        raise InvalidInput(f"No run can be {state[:80]!r}; a run is {', '.join(RunState)}.")
    operation, person, target = (given.get(name, "").strip() for name in ("operation", "person", "target"))
    since, until = (_moment(given.get(name, "").strip()) for name in ("since", "until"))
    return RunQuery(state=state, operation=operation, person=person, target=target, since=since, until=until)


def _moment(text: str) -> datetime | None:
    found = parse_position(text, now()) if text else None
    if isinstance(found, int):
        raise InvalidInput(f"{text[:60]!r} is no time; write a time such as 2026-11-21T10:40 (UTC), or an age such as 2 hours ago.")
    return found


def rows_of(page: RunPage) -> tuple[RunRow, ...]:
    """The runs of a page as rows."""
    return tuple(RunRow(run=run, title=title_of(run.operation)) for run in page.runs)
