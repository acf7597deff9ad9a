"""This module is what the page of a stream says of its heads manifest: what it names, and whether the last recording missed anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.persistence.errors import InvalidInput
from apps.persistence.heads import Manifest, find_manifest
from apps.persistence.store import Store
from apps.persistence.work.run import Run
from apps.persistence.work.run_index import RunQuery, list_runs

LOOKED_AT_RUNS = 20
EVERY_STREAM = "heads/streams"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The newest manifest, None where there is none, and the newest recording of this stream: how many of the heads before it missed."""

    manifest: Manifest | None
    run: Run | None
    omitted: int


async def read_heads(store: Store, name: str) -> Heads:
    """What is known of a stream's heads. Raises Unavailable."""
    runs: list[Run] = []
    for target in (f"heads/{name}", EVERY_STREAM):
        page = await list_runs(store.connection, RunQuery(operation="record-heads", target=target), limit=LOOKED_AT_RUNS)
        runs += [run for run in page.runs if run.target == target and _about(run, name) is not None]
    newest = max(runs, key=lambda run: run.requested_at, default=None)
    said = _about(newest, name) if newest else None
    return Heads(manifest=await newest_heads(store, name), run=newest, omitted=said["omitted"] if said else 0)


async def newest_heads(store: Store, name: str) -> Manifest | None:
    """What the newest record of a stream's heads says, or None; also where something else was written in its place."""
    try:
        return await find_manifest(store, name)
    except InvalidInput:
        return None


def _about(run: Run, name: str) -> Any:
    """What the receipt of a recording says of one stream; None where it says nothing."""
    streams: Any = run.figures.get("streams", ())
    return next((one for one in streams if one["stream"] == name), None)
