from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from apps.persistence.chain import verify_aggregate
from apps.persistence.console import load_registry
from apps.persistence.encoding import Value
from apps.persistence.errors import StreamNotFound
from apps.persistence.events import AggregateRef, Head, NewEvent, new_id
from apps.persistence.operations import Verify
from apps.persistence.projections import bucket_of, find_record, place_of, read_position
from apps.persistence.registry import Command, Registry
from apps.persistence.store import CONSOLE, CoreMessage, Store, append, ensure_home, kv_all, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.commands import Accepted, Rejected, notice_subject, read_notice, send_command
from apps.persistence.work.progress import find_progress
from apps.persistence.work.refusals import find_refusal
from apps.persistence.work.run import Run, RunState, load_run, run_ref
from apps.persistence.work.run_index import RunQuery, list_runs
from apps.persistence.worker import work

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
async def home(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(own_nats_server.settings()) as store:
        await ensure_home(store.connection)
        yield store


@pytest.fixture
def registry() -> Registry:
    return load_registry(["tests.persistence.replay_domain"])


@asynccontextmanager
async def working(store: Store, registry: Registry) -> AsyncIterator[None]:
    """A worker within this process."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(work(store, registry, stop, on_ready=ready.set))
    await ready.wait()
    try:
        yield
    finally:
        stop.set()
        await task


async def append_orders(store: Store, count: int) -> None:
    """`count` events, spread over ten orders."""
    for order in range(10):
        head = Head(aggregate=AggregateRef("sales", "order", f"o{order}"))
        for start in range(0, count // 10, 500):
            size = min(500, count // 10 - start)
            head = (await append(store, head, [NewEvent(type="item_added", payload={"number": start + n}) for n in range(size)]))[-1].head


async def ask(store: Store, operation: str, parameters: dict[str, Value], *, saw: dict[str, Value], reason: str = "because") -> str:
    """Request a run as the web process does, and return its id."""
    run_id = new_id()
    payload: dict[str, Value] = {"operation": operation, "parameters": parameters, "saw": saw, "reason": reason}
    assert isinstance(await send_command(store.connection, command("request", run_id, payload)), Accepted)
    return run_id


def command(name: str, run_id: str, payload: dict[str, Value] | None = None) -> Command:
    return Command(id=new_id(), aggregate=run_ref(run_id), name=name, payload=payload or {}, actor="olga", correlation=new_id())


async def wait_for_run(store: Store, run_id: str, is_reached: Callable[[Run], bool], *, seconds: float = 240) -> Run:
    async with asyncio.timeout(seconds):
        while True:
            run = await load_run(store, run_id)
            if run and is_reached(run):
                return run
            await asyncio.sleep(0.02)


async def wait_for_progress(store: Store, run_id: str) -> None:
    async with asyncio.timeout(60):
        while True:
            if await find_progress(store.connection, run_id):
                return
            await asyncio.sleep(0.02)


async def wait_until_applied(store: Store, registry: Registry, count: int) -> None:
    async with asyncio.timeout(240):
        while True:
            with suppress(StreamNotFound):
                record = await find_record(store.connection, "order-counts")
                place = place_of(registry.projections["order-counts"], record.serving if record else 1)
                if (await read_position(store.connection, place)).applied == count:
                    return
            await asyncio.sleep(0.05)


async def wait_for_listed(store: Store, count: int) -> None:
    async with asyncio.timeout(60):
        while True:
            if len((await list_runs(store.connection)).runs) == count:
                return
            await asyncio.sleep(0.05)


async def models(store: Store, build: int) -> dict[str, bytes]:
    entries = await kv_all(store.connection, bucket_of("order-counts", build))
    return {entry.key: entry.value for entry in entries if entry.key != "_position"}


SAW_FIRST: dict[str, Value] = {"serving": 1, "version": 1}


async def test_a_replay_builds_beside_switches_and_leaves_a_chained_receipt(home: Store, registry: Registry) -> None:
    await append_orders(home, 1000)
    async with working(home, registry):
        await wait_until_applied(home, registry, 1000)
        run_id = await ask(home, "replay", {"projection": "order-counts"}, saw=SAW_FIRST, reason="drift found by <b>Olga</b>")

        run = await wait_for_run(home, run_id, lambda run: run.state.is_ended)

    record = await find_record(home.connection, "order-counts")
    assert run.state is RunState.FINISHED
    assert run.outcome == "Applied 1,000 events; build 2 of order-counts serves, build 1 is kept."
    assert (run.requested_by, run.reason) == ("olga", "drift found by <b>Olga</b>")
    assert record is not None
    assert record.serving == 2
    assert await models(home, 1) == await models(home, 2)
    assert (await verify_aggregate(home.on(CONSOLE), run_ref(run_id))).intact


async def test_two_workers_carry_out_a_run_once(home: Store, registry: Registry) -> None:
    await append_orders(home, 500)
    async with working(home, registry), working(home, registry):
        await wait_until_applied(home, registry, 500)
        runs = [await ask(home, "replay", {"projection": "order-counts"}, saw=SAW_FIRST) for _ in range(3)]
        ended = [await wait_for_run(home, run_id, lambda run: run.state.is_ended) for run_id in runs]

    assert [run.attempts for run in ended] == [1, 1, 1]
    assert RunState.FINISHED in {run.state for run in ended}


async def test_a_run_can_be_cancelled_in_the_middle_and_readers_keep_what_they_have(home: Store, registry: Registry) -> None:
    await append_orders(home, 20_000)
    async with working(home, registry):
        await wait_until_applied(home, registry, 20_000)
        run_id = await ask(home, "replay", {"projection": "order-counts"}, saw=SAW_FIRST)
        await wait_for_run(home, run_id, lambda run: run.state is RunState.RUNNING)
        await send_command(home.connection, command("cancel", run_id))

        run = await wait_for_run(home, run_id, lambda run: run.state.is_ended)

    record = await find_record(home.connection, "order-counts")
    assert run.state is RunState.CANCELLED
    assert run.outcome.startswith("Cancelled by olga. The build that serves goes on.")
    assert record is not None
    assert record.serving == 1


async def test_a_paused_run_rests_and_goes_on_where_it_was(home: Store, registry: Registry) -> None:
    await append_orders(home, 20_000)
    async with working(home, registry):
        await wait_until_applied(home, registry, 20_000)
        run_id = await ask(home, "replay", {"projection": "order-counts"}, saw=SAW_FIRST)
        await wait_for_run(home, run_id, lambda run: run.state is RunState.RUNNING)
        await send_command(home.connection, command("pause", run_id))
        await wait_for_run(home, run_id, lambda run: run.state is RunState.PAUSED)
        await wait_for_progress(home, run_id)
        await send_command(home.connection, command("resume", run_id))

        run = await wait_for_run(home, run_id, lambda run: run.state.is_ended)

    assert run.state is RunState.FINISHED
    assert run.attempts == 2
    assert await models(home, 1) == await models(home, 2)


@pytest.mark.parametrize(
    ("operation", "parameters", "saw", "reason", "refusal"),
    [
        ("replay", {"projection": "order-counts"}, SAW_FIRST, "  ", "A reason is needed"),
        ("replay", {"projection": "no-such"}, SAW_FIRST, "because", "There is no projection 'no-such'; there are aggregates"),
        ("replay", {"projection": "order-counts"}, {"serving": 7, "version": 1}, "because", "serving was 7 and is 1. Plan again."),
        ("destroy", {}, {}, "because", "knows no operation 'destroy'"),
        ("replay", {"nonsense": 1}, SAW_FIRST, "because", "do not fit this version"),
        ("verify", {"stream": "NOWHERE"}, {}, "because", "NOWHERE holds no chains"),
        ("snapshot", {"aggregate": "sales.order"}, {}, "because", "names no aggregate"),
        ("snapshot", {"aggregate": "sales.order.none"}, {}, "because", "There is no event of sales.order.none"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_with_its_reason(
    home: Store, registry: Registry, operation: str, parameters: dict[str, Value], saw: dict[str, Value], reason: str, refusal: str
) -> None:
    asked = command("request", new_id(), {"operation": operation, "parameters": parameters, "saw": saw, "reason": reason})
    notices: asyncio.Queue[CoreMessage] = asyncio.Queue()
    await append_orders(home, 10)
    async with working(home, registry), home.connection.subscribe(notice_subject(asked.id), notices.put_nowait):
        await wait_until_applied(home, registry, 10)
        await send_command(home.connection, asked)
        async with asyncio.timeout(60):
            rejected = read_notice((await notices.get()).data)

    assert isinstance(rejected, Rejected)
    assert refusal in rejected.reason
    assert await find_refusal(home, asked.aggregate.id) == rejected.reason
    assert await load_run(home, asked.aggregate.id) is None


async def test_an_ended_run_cannot_be_paused(home: Store, registry: Registry) -> None:
    async with working(home, registry):
        run_id = await ask(home, "pause", {"projection": "runs"}, saw={})
        await wait_for_run(home, run_id, lambda run: run.state.is_ended)
        late = command("pause", run_id)
        notices: asyncio.Queue[CoreMessage] = asyncio.Queue()
        async with home.connection.subscribe(notice_subject(late.id), notices.put_nowait), asyncio.timeout(60):
            await send_command(home.connection, late)
            rejected = read_notice((await notices.get()).data)

    assert rejected.reason == "The run is finished; it cannot be paused any more."


async def test_a_verification_leaves_a_mark_and_figures(home: Store, registry: Registry) -> None:
    await append_orders(home, 100)
    async with working(home, registry):
        run_id = await ask(home, "verify", {"stream": "CIM-EVENTS"}, saw=await _saw(home, registry, "CIM-EVENTS"))
        run = await wait_for_run(home, run_id, lambda run: run.state.is_ended)

    assert run.outcome == "Intact: 100 events, sequence 1 to 100."
    assert (run.figures["events"], run.figures["finding_count"], run.figures["intact"]) == (100, 0, True)


async def test_runs_are_listed_newest_first_and_filtered(home: Store, registry: Registry) -> None:
    async with working(home, registry):
        first = await ask(home, "pause", {"projection": "runs"}, saw={})
        await wait_for_run(home, first, lambda run: run.state.is_ended)
        second = await ask(home, "resume", {"projection": "runs"}, saw={})
        await wait_for_run(home, second, lambda run: run.state.is_ended)
        await wait_for_listed(home, 2)

        every = await list_runs(home.connection)
        pauses = await list_runs(home.connection, RunQuery(operation="pause", person="olga"))

    assert [run.id for run in every.runs] == [second, first]
    assert [run.id for run in pauses.runs] == [first]


async def _saw(home: Store, registry: Registry, stream: str) -> dict[str, Value]:
    return (await Verify(stream=stream).plan(home, registry)).saw
