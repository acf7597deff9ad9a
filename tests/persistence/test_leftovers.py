"""What a run wrote of a file that it will never finish is dropped; what another run still needs is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.encoding import Value
from apps.persistence.events import Head, NewEvent, new_id
from apps.persistence.store import CONSOLE, Store, append, ensure_home, list_objects, open_store, open_writer, subjects_matching
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import FILES_BUCKET, FileKind, Made, ensure_files, new_nuid
from apps.persistence.work.failures import Failures, RunFailures
from apps.persistence.work.leftovers import drop_leftovers
from apps.persistence.work.progress import ProgressWriter, ensure_runs_bucket
from apps.persistence.work.run import load_run, run_ref

from .engine_stage import Stage
from .projecting import eventually

REQUESTED: dict[str, Value] = {"operation": "backup", "parameters": {}, "target": "backup/A", "summary": "Back up A", "reason": "because"}


@pytest.fixture
async def store(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(own_nats_server.settings("worker")) as opened:
        await ensure_home(opened.connection)
        await ensure_files(opened.connection)
        await ensure_runs_bucket(opened.connection)
        yield opened


async def begun(store: Store, *ended: NewEvent) -> str:
    """The chunks of a run whose worker was killed in the middle, and what happened to it afterwards."""
    run_id, nuid = new_id(), new_nuid()
    events = [NewEvent(type="requested", payload=REQUESTED), NewEvent(type="confirmed"), *ended]
    await append(store.on(CONSOLE), Head(aggregate=run_ref(run_id)), events)
    run = await load_run(store, run_id)
    assert run is not None
    progress = ProgressWriter(store.connection, run, "killed", before=None, failures=Failures(RunFailures()))
    await progress.report(0, 1, checkpoint={"nuid": nuid}, force=True)
    await (await open_writer(store.connection, FILES_BUCKET, nuid)).write(b"half of it")
    return nuid


async def chunks(store: Store) -> set[str]:
    found = await subjects_matching(store.connection, f"OBJ_{FILES_BUCKET}", f"$O.{FILES_BUCKET}.C.>")
    return {subject.rpartition(".")[2] for subject in found}


CANCELLED = NewEvent(type="cancelled", payload={"outcome": "Cancelled by olga.", "figures": {}})


async def test_chunks_of_a_run_that_was_cancelled_after_its_worker_was_killed_are_dropped(store: Store) -> None:
    left, needed = await begun(store, CANCELLED), await begun(store)

    dropped = await drop_leftovers(store)

    assert dropped == [left]
    assert await chunks(store) == {needed}


async def test_finished_file_and_chunks_that_somebody_may_be_writing_are_kept(store: Store) -> None:
    finished, unclaimed = await open_writer(store.connection, FILES_BUCKET, new_nuid()), new_nuid()
    await finished.write(b"all of it")
    await finished.finish("whole.jsonl", Made(kind=FileKind.EXPORT, source="A", by="olga").metadata())
    await (await open_writer(store.connection, FILES_BUCKET, unclaimed)).write(b"some of it")

    assert await drop_leftovers(store) == []
    assert await chunks(store) == {finished.nuid, unclaimed}
    assert [stored.name for stored in await list_objects(store.connection, FILES_BUCKET)] == ["whole.jsonl"]


async def test_chunks_that_no_run_names_are_dropped_after_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.persistence.work.leftovers.UNCLAIMED_SECONDS", 0.0)
    unclaimed = new_nuid()
    await (await open_writer(store.connection, FILES_BUCKET, unclaimed)).write(b"some of it")

    assert await drop_leftovers(store) == [unclaimed]
    assert await chunks(store) == set()


async def test_worker_drops_them_when_it_starts(store: Store) -> None:
    await begun(store, CANCELLED)

    async def is_empty() -> bool:
        return await chunks(store) == set()

    async with Stage(store=store, operations={}).worker():
        await eventually(is_empty)
