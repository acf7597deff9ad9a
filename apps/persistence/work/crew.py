"""This module is who is at work on projections: how many workers are alive, and what became of the runs that fill builds."""

from __future__ import annotations

from ..projections import Crew, Filling
from ..store import Store
from .heartbeat import list_workers
from .run import RunState, load_run


async def find_crew(store: Store) -> Crew:
    """Who is at work at this moment. Raises Unavailable."""

    async def filling_by(run_id: str) -> Filling:
        run = await load_run(store, run_id)
        if run is None or run.state.is_ended:
            return Filling.STOPPED
        return Filling.PAUSED if run.state is RunState.PAUSED else Filling.FILLING

    return Crew(workers_alive=len(await list_workers(store.connection)), filling_by=filling_by)
