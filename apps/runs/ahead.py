"""This module is the run ahead: the one that works on a target while another run waits for the same."""

from __future__ import annotations

from apps.persistence.store import Connection
from apps.persistence.work.engine import lease_name
from apps.persistence.work.lease import find_holder
from apps.persistence.work.run import Run, RunState
from apps.persistence.work.run_index import list_runs

LOOKED_BACK = 200
"""Among how many of the newest runs it is looked for."""


async def find_run_ahead(connection: Connection, run: Run) -> Run | None:
    """The run that works on the target of a confirmed run; None where it waits for nothing but a worker."""
    name = lease_name(run)
    if run.state is not RunState.CONFIRMED or await find_holder(connection, name) is None:
        return None
    page = await list_runs(connection, limit=LOOKED_BACK)
    return next((one for one in page.runs if one.state is RunState.RUNNING and one.id != run.id and lease_name(one) == name), None)
