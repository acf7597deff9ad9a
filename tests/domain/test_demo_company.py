"""The demo's organization: told the same for the same seed, by legal steps alone, once; and led on while the demo lives."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest

from apps.domain.company import KINDS
from apps.domain.demo import company, office
from apps.domain.demo.living import Life
from apps.domain.demo.run import DemoOptions, play_company
from apps.domain.demo.steps import Step, definition_of
from apps.domain.views import ORGANIZATION_VIEWS
from apps.persistence.chain import verify_stream
from apps.persistence.events import Event, State, new_id
from apps.persistence.projections.runner import Orders, run_projection
from apps.persistence.read_models import ReadModelStore
from apps.persistence.registry import load_domains
from apps.persistence.store import EVENTS, Store, ensure_home, get_stream, load, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.commands import consume_commands
from tests.domain.given import event

SECONDS = 90


def carried_out(steps: list[Step], state: State | None = None) -> tuple[State, list[Event]]:
    """The state after the steps, and the events that they caused."""
    after, events = dict(state or {}), list[Event]()
    for step in steps:
        for new in step.decide(after):
            happened = event(new.type, new.payload, of=str(step.ref), version=int(str(after.get("version", 0))) + 1)
            after, events = definition_of(step.ref).apply(after, happened), [*events, happened]
    return after, events


def test_every_aggregate_of_the_organization_is_told_by_legal_steps() -> None:
    told = company.company_aggregates(1)

    statuses = Counter((steps[0].ref.type, carried_out(steps)[0]["status"]) for steps in told)
    assert {type_ for type_, _ in statuses} == {kind.id.type for kind in KINDS}
    assert statuses["person", "active"] == 31
    assert {status for type_, status in statuses if type_ == "agent"} == {
        "initializing",
        "active",
        "suspended",
        "offline",
        "decommissioned",
    }
    assert sum(len(steps) for steps in told) < 600


def test_same_seed_tells_the_same_organization() -> None:
    assert company.company_aggregates(1) == company.company_aggregates(1)
    assert company.company_aggregates(2) != company.company_aggregates(1)


@pytest.mark.parametrize("seed", range(12))
def test_what_begins_while_the_demo_lives_is_led_to_its_end(seed: int) -> None:
    step: Step | None = office.begin(Random(seed))
    state, steps = State(), 0

    while step is not None:
        steps += 1
        state, events = carried_out([step], state)
        followed = [found for one in events if (found := office.follow_up(one))]
        step = followed[-1] if followed else None

    assert state["status"] in ("active", "published", "completed")
    assert steps <= 6


async def test_organization_is_told_once_and_is_intact(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)

        first, second = await play_company(store, DemoOptions()), await play_company(store, DemoOptions())

        last = (await get_stream(store.connection, EVENTS.stream)).last_sequence
        assert (first, second, (await verify_stream(store)).checked) == (last, 0, last)
        await run_projection(store, ORGANIZATION_VIEWS, 1, Orders(until=last))
        models = ReadModelStore(connection=store.connection, bucket="cim-organization-1")
        assert (await models.list("person")).total_count == company.PEOPLE


async def test_living_demo_leads_on_by_commands_what_began(own_nats_server: EmbeddedServer) -> None:
    said, stop, first = list[str](), asyncio.Event(), office.begin(Random(2))
    async with open_store(own_nats_server.settings("worker")) as store, asyncio.TaskGroup() as group:
        await ensure_home(store.connection)
        life = Life(store, seed=1, rate=20, stop_at=10**6, say=said.append)
        life._world.follow_ups.append((first, new_id()))
        group.create_task(consume_commands(store, load_domains(["apps.domain"]), stop))
        group.create_task(life.live(stop))
        try:
            async with asyncio.timeout(SECONDS):
                while (ended := await types_of(store, first))[-1:] != ["completed"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            stop.set()
    assert [ended[0], ended[-1]] == ["started", "completed"]
    assert [line for line in said if "refused" in line] == []


async def types_of(store: Store, step: Step) -> list[str]:
    return [stored.event.type for stored in (await load(store, step.ref)).events]
