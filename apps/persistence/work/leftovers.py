"""This module is what is left of files that were never finished: chunks of a run that was cancelled after its worker was killed.

Nobody ever sees them, and they take up space. A run that has not ended keeps its chunks: it goes on behind them, or drops them itself.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import cast

from ..encoding import Value, decode
from ..errors import NotFound, PersistenceError
from ..events import now
from ..store import Connection, Store, drop_chunks, get_last, kv_all, list_objects, subjects_matching
from ..transfer import FILES_BUCKET
from .run import RUNS_BUCKET, load_run

LOOK_SECONDS = 600.0
UNCLAIMED_SECONDS = 24 * 3600.0
"""Chunks that no run names are left alone for so long."""
_CHUNKS = f"$O.{FILES_BUCKET}.C."
_MOST = 10_000

log = logging.getLogger(__name__)


async def keep_dropping_leftovers(store: Store) -> None:
    """Until cancelled: at once, and then every ten minutes. Several workers may do it at the same time."""
    while True:
        try:
            await drop_leftovers(store)
        except PersistenceError as error:
            log.warning("what is left of unfinished files cannot be dropped: %s", error)
        await asyncio.sleep(LOOK_SECONDS)


async def drop_leftovers(store: Store) -> list[str]:
    """Drop the chunks of files that will never be finished; which they were. Raises Unavailable."""
    connection = store.connection
    chunks = await subjects_matching(connection, f"OBJ_{FILES_BUCKET}", f"{_CHUNKS}>", limit=_MOST)
    unfinished = {subject.removeprefix(_CHUNKS) for subject in chunks} - await _finished(connection)
    if not unfinished:
        return []
    run_of = await _runs_by_file(connection)
    given_up = [nuid for nuid in sorted(unfinished) if await _is_given_up(store, nuid, run_of.get(nuid))]
    given_up = sorted(set(given_up) - await _finished(connection))  # a run may have finished its file between the two looks
    for nuid in given_up:
        await drop_chunks(connection, FILES_BUCKET, nuid)
        log.info("the unfinished file %s is dropped; its run %s has ended", nuid, run_of.get(nuid, "is not known, and"))
    return given_up


async def _finished(connection: Connection) -> set[str]:
    return {stored.nuid for stored in await list_objects(connection, FILES_BUCKET)}


async def _runs_by_file(connection: Connection) -> dict[str, str]:
    """The run that names a file's chunks in its checkpoint, which it does before it writes the first."""
    found: dict[str, str] = {}
    try:
        entries = await kv_all(connection, RUNS_BUCKET)
    except NotFound:
        return found
    for entry in entries:
        if "." in entry.key:  # what failed in a run, or was found
            continue
        checkpoint = cast("dict[str, Value]", decode(entry.value)).get("checkpoint")
        if isinstance(checkpoint, dict) and isinstance(nuid := checkpoint.get("nuid"), str):
            found[nuid] = entry.key
    return found


async def _is_given_up(store: Store, nuid: str, run_id: str | None) -> bool:
    if run_id is not None:
        run = await load_run(store, run_id)
        return run is None or run.state.is_ended
    newest = await get_last(store.connection, f"OBJ_{FILES_BUCKET}", f"{_CHUNKS}{nuid}")
    return newest is not None and now() - newest.time > timedelta(seconds=UNCLAIMED_SECONDS)
