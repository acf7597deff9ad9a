"""Drift: what changes about a stream or a server without a recorded run is an alarm until somebody accepts it, or it goes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from apps.persistence.drift import DriftReport, look, read_drift, watching
from apps.persistence.drift.trail import drift_ref, note
from apps.persistence.errors import InvalidInput, PersistenceError
from apps.persistence.events import NewEvent, now
from apps.persistence.operations import OPERATIONS, AcceptDrift
from apps.persistence.registry import Registry
from apps.persistence.store import CONSOLE, Store, ensure_home, get_stream, load, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .drifting import EVENTS_THERE, alarms_of, change, look_at, open_watched, trail_of
from .engine_stage import Stage, append_events
from .operating import Noted, carry_out

SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("drift")) as running:
        yield running


@pytest.fixture
async def store(server: EmbeddedServer) -> AsyncIterator[Store]:
    """A stream of its own with six events, looked at once."""
    async with open_watched(server) as opened:
        yield opened


async def test_stream_as_it_was_has_no_alarm_however_many_events_come(store: Store) -> None:
    await append_events(store, 3, aggregate="o2")

    found = await look_at(store)

    assert found.alarms == []
    assert [record.name for record in found.records] == [store.layout.stream]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"max_msgs": 4}, {"max_msgs": ("not set", "4"), "first_seq": ("1", "3")}),
        ({"max_age": 3_600_000_000_000}, {"max_age": ("not set", "1:00:00")}),
        ({"max_msgs_per_subject": 1}, {"max_msgs_per_subject": ("not set", "1")}),
        ({"subjects": ["elsewhere.>"]}, {"subjects": ("{subjects}", "elsewhere.>")}),
        ({"sealed": True}, {"sealed": ("not set", "yes")}),
        ({"allow_direct": False}, {"allow_direct": ("yes", "not set")}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_changed_setting_is_an_alarm_with_before_and_after(
    store: Store, config: dict[str, Any], expected: dict[str, tuple[str, str]]
) -> None:
    if "subjects" in config:
        config = {"subjects": [f"{store.layout.root}.elsewhere.>"]}
        expected = {"subjects": (f"{store.layout.root}.>", f"{store.layout.root}.elsewhere.>")}
    moment = now()

    await change(store, **config)
    found = await look_at(store)

    assert alarms_of(found).items() >= expected.items()
    assert all(moment <= alarm.since <= now() for alarm in found.alarms)
    assert f"drifted {next(iter(config))}" in await trail_of(store)


async def test_stream_that_was_made_anew_is_an_alarm_though_it_holds_the_same(store: Store) -> None:
    name = store.layout.stream
    config = (await get_stream(store.connection, name)).config
    await store.connection.api(f"STREAM.DELETE.{name}", stream=name)
    gone = await look_at(store)
    await store.connection.api(f"STREAM.CREATE.{name}", dict(config), stream=name)
    await append_events(store, EVENTS_THERE)

    anew = await look_at(store)

    assert alarms_of(gone) == {"exists": ("yes", "no")}
    assert list(alarms_of(anew)) == ["created"]
    assert await trail_of(store) == ["drifted exists", "drifted created", "returned exists"]


async def test_alarm_is_noted_once_and_ends_when_the_field_goes_back(store: Store) -> None:
    await change(store, max_msgs=100)
    first = await look_at(store)
    second = await look_at(store)
    await change(store, max_msgs=-1)

    third = await look_at(store)

    assert first.alarms == second.alarms
    assert third.alarms == []
    assert await trail_of(store) == ["drifted max_msgs", "returned max_msgs"]


async def test_all_alarms_stand_before_the_trail_is_told_of_any(
    store: Store, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    async def spy(told: Store, what: str, events: Sequence[NewEvent]) -> None:
        seen.append({alarm.name for alarm in (await read_drift(told)).alarms})
        await note(told, what, events)

    async with open_watched(server) as other:
        drifting = {store.layout.stream, other.layout.stream}
        await look(store, sorted(drifting))
        for one in (store, other):
            await change(one, max_msgs_per_subject=1)
        monkeypatch.setattr(watching, "note", spy)
        await look(store, sorted(drifting))
        trails = [await trail_of(store), await trail_of(other)]

    assert len(seen) >= 2
    assert all(drifting <= alarms for alarms in seen)
    assert trails == [["drifted max_msgs_per_subject"]] * 2


async def test_events_that_went_stay_an_alarm_after_the_limit_was_taken_back(store: Store) -> None:
    await change(store, max_msgs=4)
    await change(store, max_msgs=-1)

    found = await look_at(store)

    assert alarms_of(found) == {"first_seq": ("1", "3")}


async def test_stream_that_lacks_events_at_the_first_look_is_an_alarm(server: EmbeddedServer) -> None:
    async with open_watched(server, is_looked_at=False) as store:
        await change(store, max_msgs=2)
        await change(store, max_msgs=-1)

        found = await look_at(store)

        assert alarms_of(found) == {"first_seq": ("1", "5")}


async def test_accepted_drift_is_no_alarm_any_more_and_the_trail_says_who_accepted_it(store: Store) -> None:
    await change(store, max_msgs=100)
    await look_at(store)
    what = f"stream/{store.layout.stream}"

    outcome = await carry_out(store, Registry([]), AcceptDrift(what=what), Noted(requested_by="vera", reason="agreed"))
    found = await look_at(store)

    assert outcome.sentence == f"Accepted of {store.layout.stream}: max_msgs: 100."
    assert found.alarms == []
    last = (await load(store.on(CONSOLE), drift_ref(what))).events[-1].event
    assert (last.type, last.actor, last.payload["reason"]) == ("accepted", "vera", "agreed")
    with pytest.raises(InvalidInput, match="nothing to accept"):
        await AcceptDrift(what=what).plan(store, Registry([]))


async def test_plan_shows_each_field_before_and_after(store: Store) -> None:
    await change(store, max_msgs=100, max_bytes=1_000_000)
    await look_at(store)

    plan = await AcceptDrift(what=f"stream/{store.layout.stream}").plan(store, Registry([]))

    assert [(one.what, one.now, one.after) for one in plan.changes] == [
        ("max_bytes", "not set", "1,000,000"),
        ("max_msgs", "not set", "100"),
    ]


# -- servers, and the worker ------------------------------------------------------------------------------------------------------------


class CarelessServer(EmbeddedServer):
    """A server that somebody lets write to disk whenever it likes, when `is_careless`."""

    is_careless = False

    def _config(self) -> str:
        config = super()._config()
        return config.replace("sync_interval: always", 'sync_interval: "2m"') if self.is_careless else config


async def test_worker_tells_of_a_server_that_no_longer_writes_at_once_within_half_a_minute(tmp_path: Path) -> None:
    server = CarelessServer(tmp_path / "nats")
    with server:
        async with open_store(server.settings("worker"), layouts=[CONSOLE]) as store:
            await ensure_home(store.connection)
            stage = Stage(store=store, operations=OPERATIONS)
            async with stage.worker():
                await until_seen(store, lambda found: bool(found.servers))
                server.is_careless = True
                await asyncio.to_thread(server.restart)
                moment = now()
                found = await until_seen(store, lambda found: bool(found.alarms))

    (alarm,) = found.alarms
    assert (alarm.what, alarm.field, alarm.before, alarm.after) == ("server/cim-embedded", "sync_interval", "always", "120 s")
    assert (alarm.since - moment).total_seconds() < 30


async def until_seen(store: Store, is_so: Callable[[DriftReport], bool]) -> DriftReport:
    async with asyncio.timeout(SECONDS):
        while True:
            with suppress(PersistenceError):
                found = await read_drift(store)
                if is_so(found):
                    return found
            await asyncio.sleep(0.1)
