"""What recorded runs of the console changed is explained and accepted; a forged record, or more than the run said, is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from apps.persistence.chain.gaps import Range
from apps.persistence.chain.removals import Removal, stream_key, write_removal
from apps.persistence.console import load_registry
from apps.persistence.drift import DriftReport, look, read_drift
from apps.persistence.events import now
from apps.persistence.operations import OPERATIONS
from apps.persistence.registry import StreamChanges
from apps.persistence.store import get_stream
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.run import RunState
from apps.persistence.work.run_index import list_runs

from .drifting import alarms_of, open_watched
from .engine_stage import Stage

SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("drift")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    """A console whose operators may change the stream of the test, which lets messages be deleted."""
    async with open_watched(server) as opened:
        name = f"{opened.layout.stream}-open"
        registry = load_registry([], stream_changes=StreamChanges(are_allowed=True))
        config = {"name": name, "subjects": [f"{name}.>"], "allow_direct": True, "retention": "limits", "num_replicas": 1}
        await opened.connection.api(f"STREAM.CREATE.{name}", config, stream=name)
        for number in range(5):
            await opened.connection.request(f"{name}.{number}", b"{}")
        yield Stage(store=opened, operations=OPERATIONS, registry=registry)


async def look_beside(stage: Stage) -> DriftReport:
    name = f"{stage.store.layout.stream}-open"
    await look(stage.store, [name])
    return (await read_drift(stage.store)).of(name)


@pytest.mark.parametrize(
    ("operation", "given", "fields"),
    [
        ("change-stream", {"max_messages": "100"}, {"max_msgs"}),
        ("delete-message", {"sequence": "3"}, {"num_deleted"}),
        ("purge", {"before": "3"}, {"first_seq"}),
        ("seal", {}, {"sealed"}),
    ],
)
async def test_change_by_a_recorded_run_is_explained_and_no_alarm(
    stage: Stage, operation: str, given: dict[str, str], fields: set[str]
) -> None:
    await look_beside(stage)
    async with stage.worker():
        run = await stage.wait(await stage.ask(operation, {"stream": f"{stage.store.layout.stream}-open", **given}))
        assert run.state is RunState.FINISHED
        await wait_until_listed(stage, run.id)

    found = await look_beside(stage)

    assert found.alarms == []
    assert {(one.title, one.run, one.operation, one.by) for one in found.changes if one.run == run.id} != set()
    assert {record.field for one in found.records for record in one.explained} >= fields


async def wait_until_listed(stage: Stage, run_id: str) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            page = await list_runs(stage.store.connection)
            if any(run.id == run_id and run.state.is_ended for run in page.runs):
                return
            await asyncio.sleep(0.05)


async def test_record_of_a_removal_without_its_run_explains_nothing(stage: Stage) -> None:
    name = f"{stage.store.layout.stream}-open"
    await look_beside(stage)
    info = await get_stream(stage.store.connection, name)
    forged = Removal(
        run_id="019a0000-0000-7000-8000-000000000000",
        operation="purge",
        stream=name,
        created=stream_key(info),
        pattern=">",
        ranges=(Range(1, 2),),
        is_exact=True,
        count=2,
        by="olga",
        reason="because",
        at=now(),
    )
    await write_removal(stage.store.connection, forged)
    await stage.store.connection.api(f"STREAM.PURGE.{name}", {"seq": 3}, stream=name)

    found = await look_beside(stage)

    assert alarms_of(found) == {"first_seq": ("1", "3")}


async def test_change_of_more_than_the_run_said_is_an_alarm(stage: Stage) -> None:
    name = f"{stage.store.layout.stream}-open"
    await look_beside(stage)
    async with stage.worker():
        run = await stage.wait(await stage.ask("change-stream", {"stream": name, "max_messages": "100"}))
        await wait_until_listed(stage, run.id)
        info = await get_stream(stage.store.connection, name)
        await stage.store.connection.api(f"STREAM.UPDATE.{name}", {**info.config, "max_msgs": 50}, stream=name)

    found = await look_beside(stage)

    assert list(alarms_of(found)) == ["max_msgs"]
    assert found.alarms[0].after == "50"
