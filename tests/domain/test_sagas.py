"""Sagas on a real server: they command, wait, retry, time out and compensate; each only once, and also when a worker is killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.domain.sagas import Retry, Saga, SagaStatus, Step, advance, aggregate_of, status_of
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, NewEvent, State, fold, new_id
from apps.persistence.registry import Command, Registry
from apps.persistence.store import Store, append, ensure_home, head_of, load, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .saga_domain import CONTEXT, DOMAIN, FAULTS, PARCEL

SECONDS = 90
REPOSITORY = Path(__file__).resolve().parents[2]
FORWARD = ["begun", "step_started", "step_done", "step_started", "step_asked", "step_done", "step_started", "step_done", "completed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A store with the saga's domain, and one parcel of its own."""

    store: Store
    registry: Registry
    id: str

    def ref(self, kind: str) -> AggregateRef:
        return AggregateRef(CONTEXT, kind, self.id)

    async def command(self, name: str, *, kind: str = "parcel", **payload: Value) -> None:
        """A command of the saga itself, carried out at once."""
        ref = self.ref(kind)
        command = Command(id=new_id(), aggregate=ref, name=name, payload=dict(payload), actor="ada", correlation=new_id())
        await self.registry.commands[CONTEXT, kind](self.store, command)

    async def begin(self, *, kind: str = "parcel", **said: Value) -> None:
        await self.command("begin", kind=kind, id=self.id, **said)

    async def tell(self, kind: str, event: str, **payload: Value) -> None:
        """Something happens to an aggregate that is nobody's command."""
        await append(self.store, await head_of(self.store, self.ref(kind), leader=True), [NewEvent(type=event, payload=payload)])

    async def events(self, kind: str) -> list[str]:
        return [stored.event.type for stored in (await load(self.store, self.ref(kind))).events]

    async def state(self, kind: str = "parcel") -> State:
        return fold(aggregate_of(PARCEL), [stored.event for stored in (await load(self.store, self.ref(kind))).events])

    async def until(self, *, kind: str = "parcel", event: str) -> None:
        """Until an aggregate has this event."""

        async def is_there() -> bool:
            return event in await self.events(kind)

        await until(is_there)


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def post(nats_server: EmbeddedServer) -> AsyncIterator[Post]:
    async with open_store(nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        yield Post(store=store, registry=Registry([DOMAIN]), id=f"p-{new_id()[-12:]}")


@asynccontextmanager
async def working(post: Post) -> AsyncIterator[None]:
    """A worker's part that carries out the saga, for as long as the block lasts."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for process in DOMAIN.processes:
            group.create_task(process.run(post.store, post.registry, stop))
        try:
            yield
        finally:
            stop.set()


async def test_saga_commands_each_step_and_waits_for_the_answer(post: Post) -> None:
    await post.begin()

    async with working(post):
        await post.until(kind="box", event="packed")
        await post.tell("box", "sealed")
        await post.until(event="completed")

    assert await post.events("parcel") == FORWARD
    assert (await post.events("ledger"), await post.events("box")) == (["charged", "closed"], ["packed", "sealed"])


async def test_events_of_a_saga_tell_one_story_with_what_they_caused(post: Post) -> None:
    await post.begin()

    async with working(post):
        await post.until(kind="ledger", event="charged")

    charged = (await load(post.store, post.ref("ledger"))).events[0].event
    begun, started = [stored.event for stored in (await load(post.store, post.ref("parcel"))).events[:2]]
    assert charged.correlation == started.correlation == begun.correlation
    assert (charged.causation, started.causation) == (started.id, begun.id)


async def test_refused_step_turns_back_and_what_was_done_is_compensated(post: Post) -> None:
    await post.begin(refuse="pack")

    async with working(post):
        await post.until(event="compensated")

    assert await post.events("ledger") == ["charged", "refunded"]
    assert await post.events("box") == []
    state = await post.state()
    assert (status_of(state), state["reason"]) == (SagaStatus.COMPENSATED, "pack: pack is refused here.")


async def test_answer_that_fails_the_step_compensates_that_step_too(post: Post) -> None:
    await post.begin()

    async with working(post):
        await post.until(kind="box", event="packed")
        await post.tell("box", "torn")
        await post.until(event="compensated")

    assert (await post.events("box"), await post.events("ledger")) == (["packed", "torn", "unpacked"], ["charged", "refunded"])
    assert (await post.state())["reason"] == f"pack: {post.ref('box')} says torn."


async def test_step_that_is_never_answered_is_asked_anew_and_then_compensated(post: Post) -> None:
    await post.begin(kind="hasty")

    async with working(post):
        await post.until(kind="hasty", event="compensated")

    assert await post.events("box") == ["packed", "packed", "packed", "unpacked"]
    assert (await post.state("hasty"))["reason"] == f"pack: No sealed of {post.ref('box')} came in 0.2 seconds."


async def test_command_that_fails_is_tried_again_with_longer_pauses(post: Post) -> None:
    FAULTS[f"{post.ref('ledger')}.charg"] = 2
    await post.begin()

    async with working(post):
        await post.until(kind="box", event="packed")

    failed = [stored.event for stored in (await load(post.store, post.ref("parcel"))).events if stored.event.type == "step_failed"]
    assert [event.payload["reason"] for event in failed] == ["RuntimeError: a bug", "RuntimeError: a bug"]
    assert await post.events("ledger") == ["charged"]


async def test_command_that_fails_to_the_last_is_given_up(post: Post) -> None:
    FAULTS[f"{post.ref('ledger')}.charg"] = 3
    await post.begin(refuse="refund")

    async with working(post):
        await post.until(event="compensated")

    (undone,) = [stored.event for stored in (await load(post.store, post.ref("parcel"))).events if stored.event.type == "compensation_done"]
    assert undone.payload["note"] == "nothing to undo: refund is refused here."


async def test_compensation_that_is_refused_leaves_the_saga_stuck_until_a_person_has_it_tried_again(post: Post) -> None:
    await post.begin(refuse="clos refund")

    async with working(post):
        await post.until(kind="box", event="packed")
        await post.tell("box", "sealed")
        await post.until(event="stuck")
        stuck = await post.state()
        await post.command("retry")
        await post.until(event="retried")

        async def is_stuck_again() -> bool:
            return (await post.events("parcel")).count("stuck") == 2

        await until(is_stuck_again)

    assert status_of(stuck) is SagaStatus.STUCK
    assert str(stuck["reason"]).startswith("pay cannot be undone: refund is refused here. See to it")
    assert await post.events("box") == ["packed", "sealed", "unpacked"]
    undone = [
        stored.event.payload for stored in (await load(post.store, post.ref("parcel"))).events if "compensation_started" in stored.subject
    ]
    assert len({said["command"] for said in undone if said["step"] == "pay"}) == 2


async def test_event_triggers_a_saga_once(post: Post) -> None:
    await post.tell("ledger", "opened", refuse="pack")

    async with working(post), working(post):
        await post.until(event="compensated")

    assert (await post.events("parcel")).count("begun") == 1
    assert await post.events("ledger") == ["opened", "charged", "refunded"]


async def test_same_move_by_two_workers_happens_once(post: Post) -> None:
    await post.begin()
    await advance(post.store, post.registry, PARCEL, post.ref("parcel"))

    moves = [advance(post.store, post.registry, PARCEL, post.ref("parcel")) for _ in range(4)]
    await asyncio.gather(*moves, return_exceptions=True)

    assert await post.events("ledger") == ["charged"]
    assert (await post.events("parcel")).count("step_done") == 1


async def test_saga_of_a_killed_worker_is_gone_on_with_by_the_next(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        post = Post(store=store, registry=Registry([DOMAIN]), id="killed")
        await post.begin(hang=True)
        killed = await start_worker(own_nats_server, hangs=True)
        await post.until(kind="ledger", event="charged")
        killed.kill()
        await killed.wait()
        before = await post.events("parcel")

        next_one = await start_worker(own_nats_server)
        await post.until(kind="box", event="packed")
        await post.tell("box", "sealed")
        await post.until(event="completed")
        next_one.kill()
        await next_one.wait()

        assert before == ["begun", "step_started"]
        assert await post.events("parcel") == FORWARD
        assert await post.events("ledger") == ["charged", "closed"]


async def start_worker(server: EmbeddedServer, *, hangs: bool = False) -> asyncio.subprocess.Process:
    """A worker process; one that hangs stops for ever behind the append of its first command."""
    settings = server.settings("worker")
    arguments = [settings.url, settings.user or "", settings.password or "", "hang" if hangs else "go"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.domain.killed_saga_worker", *arguments, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        assert await process.stdout.readline() == b"at work\n"
    return process


async def test_saga_takes_its_own_commands_only_when_they_make_sense(post: Post) -> None:
    await post.begin()

    with pytest.raises(InvalidInput, match="The saga was begun already"):
        await post.begin()
    with pytest.raises(InvalidInput, match="The saga is running; only one that is stuck can be tried again"):
        await post.command("retry")
    with pytest.raises(InvalidInput, match="A saga knows no command 'leap'; it knows begin and retry"):
        await post.command("leap")


def test_pauses_grow_and_end() -> None:
    retry = Retry(attempts=4, first_seconds=1, factor=10, most_seconds=50)

    assert [retry.pause_after(attempt) for attempt in (1, 2, 3, 4)] == [1, 10, 50, None]


def test_saga_that_makes_no_sense_is_refused() -> None:
    step = PARCEL.steps[0]

    with pytest.raises(InvalidInput, match=r"needs steps, each of another name; it has pay, pay"):
        Saga(context="a", type="b", title="", steps=(step, step))
    with pytest.raises(InvalidInput, match="waits for nothing; name done_on too"):
        Step(name="x", command=step.command, failed_on=("torn",))
    with pytest.raises(InvalidInput, match="The step x has 0 seconds"):
        Step(name="x", command=step.command, timeout_seconds=0)
    with pytest.raises(InvalidInput, match="at least 1 attempt"):
        Retry(attempts=0)
