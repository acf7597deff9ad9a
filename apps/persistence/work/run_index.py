"""This module is the list of runs: a projection of its own over CIM-CONSOLE, so that runs are found without reading the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from ..encoding import Value
from ..errors import StreamNotFound
from ..events import Head, StoredEvent, fold
from ..projections import Models, ProjectionDefinition, current_model, serving_bucket
from ..store import Connection, kv_get_many, kv_keys
from .run import RUN_DEFINITION, RUN_TYPE, Run, RunState, read_run, run_ref

RUNS_PROJECTION = "runs"
LOOKED_BACK = 50
"""Among how many of the newest dry runs of an operation one is looked for."""


def _keys(stored: StoredEvent) -> Sequence[str]:
    return (f"{RUN_TYPE}.{stored.event.aggregate.id}",)


def _apply(stored: StoredEvent, models: Models) -> Models:
    key = f"{RUN_TYPE}.{stored.event.aggregate.id}"
    before = models[key]
    state = cast("dict[str, Value] | None", before["state"] if before else None)
    after: dict[str, Value] = {
        "state": fold(RUN_DEFINITION, [stored.event], onto=state),
        "version": stored.event.version,
        "cid": stored.cid,
    }
    return {key: after}


RUNS = ProjectionDefinition(
    name=RUNS_PROJECTION,
    version=2,
    title="Runs",
    description="Every run of an operation with its newest state.",
    subjects=("cim.console.run.>",),
    stream="CIM-CONSOLE",
    keys=_keys,
    apply=_apply,
    is_idempotent=False,
    is_builtin=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs to show; empty fields do not filter."""

    operation: str = ""
    person: str = ""
    state: str = ""
    target: str = ""
    since: datetime | None = None
    until: datetime | None = None
    is_dry_run: bool | None = None

    def admits(self, run: Run) -> bool:
        """Whether `run` is wanted."""
        return (
            self.operation in ("", run.operation)
            and self.person in ("", run.requested_by)
            and self.state in ("", run.state.value)
            and self.target.lower() in run.target.lower()
            and (self.since is None or run.requested_at >= self.since)
            and (self.until is None or run.requested_at < self.until)
            and self.is_dry_run in (None, run.is_dry_run)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Runs, newest first; `older` is the id to go on before, if there are more."""

    runs: tuple[Run, ...]
    older: str | None


async def list_runs(connection: Connection, query: RunQuery | None = None, *, before: str = "", limit: int = 50) -> RunPage:
    """The newest runs that `query` admits, older than the run `before`. Run ids sort by time, so only the page is read."""
    bucket = await serving_bucket(connection, RUNS_PROJECTION)
    try:
        keys = await kv_keys(connection, bucket, prefix=RUN_TYPE)
    except StreamNotFound:
        return RunPage(runs=(), older=None)
    keys = [key for key in reversed(keys) if not before or key < f"{RUN_TYPE}.{before}"]
    wanted = query or RunQuery()
    found: list[Run] = []
    for start in range(0, len(keys), limit):
        page = keys[start : start + limit]
        entries = await kv_get_many(connection, bucket, page)
        for key in page:
            run = _run_in(key, entries[key].value) if key in entries else None
            if run is not None and wanted.admits(run):
                found.append(run)
            if len(found) == limit:
                return RunPage(runs=tuple(found), older=found[-1].id if key != keys[-1] else None)
    return RunPage(runs=tuple(found), older=None)


async def find_dry_run(connection: Connection, operation: str, parameters: dict[str, Value]) -> Run | None:
    """The newest dry run of an operation with just these parameters, among its newest runs."""
    page = await list_runs(connection, RunQuery(operation=operation, is_dry_run=True), limit=LOOKED_BACK)
    return next((run for run in page.runs if run.parameters == parameters and run.state is not RunState.CANCELLED), None)


async def count_running(connection: Connection) -> int:
    """How many of the newest 200 runs are not ended."""
    page = await list_runs(connection, limit=200)
    return sum(1 for run in page.runs if run.state in (RunState.CONFIRMED, RunState.RUNNING, RunState.PAUSED))


def _run_in(key: str, value: bytes) -> Run:
    model = current_model(RUNS, key, value)
    run_id = key.partition(".")[2]
    head = Head(aggregate=run_ref(run_id), version=cast(int, model["version"]), cid=model["cid"])  # type: ignore[arg-type]
    return read_run(cast("dict[str, Value]", model["state"]), head)
