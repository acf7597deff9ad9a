"""This module is how fast it went before: what plans estimate from, measured on finished runs, never assumed."""

from __future__ import annotations

from ..store import Connection
from .run import Run, RunState
from .run_index import RunQuery, list_runs

_LOOKED_AT = 5


async def measured_rate(connection: Connection, operation: str, target: str) -> tuple[float | None, str]:
    """Events a second in the last finished runs of `operation` on `target`, else on any target; and in words where that comes from."""
    for wanted, where in ((target, f"on {target}"), ("", "on other targets")):
        query = RunQuery(operation=operation, state=RunState.FINISHED, target=wanted)
        page = await list_runs(connection, query, limit=_LOOKED_AT)
        rates = [rate for run in page.runs if (rate := _rate(run))]
        if rates:
            return sum(rates) / len(rates), f"the last {len(rates)} finished {operation} runs {where}, {sum(rates) / len(rates):,.0f}/s"
    return None, f"no {operation} has finished yet, so its duration is not known"


def _rate(run: Run) -> float:
    events, seconds = run.figures.get("events"), run.figures.get("seconds")
    if not isinstance(events, int) or not isinstance(seconds, int | float) or not seconds:
        return 0.0
    return events / seconds
