"""What is no record of the drift watch is an alarm at once, and stays one until somebody accepts what is taken instead at the next look."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from apps.persistence.chain.limits import DRIFT_BUCKET, drift_key, limits_of
from apps.persistence.drift import look, read_drift
from apps.persistence.errors import InvalidInput
from apps.persistence.operations import AcceptDrift
from apps.persistence.registry import Registry
from apps.persistence.store import Store, get_stream, kv_delete, kv_put
from apps.persistence.store.embedded import EmbeddedServer

from .drifting import alarms_of, change, look_at, open_watched, trail_of
from .malformed import SPOILED, spoil
from .operating import Noted, carry_out


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("malformed")) as running:
        yield running


@pytest.fixture
async def store(server: EmbeddedServer) -> AsyncIterator[Store]:
    """A stream of its own, looked at once."""
    async with open_watched(server) as opened:
        yield opened


@pytest.mark.parametrize("shape", SPOILED)
async def test_record_that_cannot_be_read_is_an_alarm_until_somebody_accepts_what_was_taken_instead(store: Store, shape: str) -> None:
    name = store.layout.stream
    named = f"What cim-drift holds of stream.{name} cannot be read"
    operation = AcceptDrift(what=f"stream/{name}")
    await spoil(store.connection, DRIFT_BUCKET, drift_key(f"stream/{name}"), shape)

    at_once = (await read_drift(store)).of(name)
    with pytest.raises(InvalidInput, match=named):
        await operation.plan(store, Registry([]))
    limits = await limits_of(store, await get_stream(store.connection, name))
    looked, again = await look_at(store), await look_at(store)
    outcome = await carry_out(store, Registry([]), operation, Noted(requested_by="vera", reason="nothing else changed"))
    after = await look_at(store)

    (alarm,) = at_once.alarms
    assert (alarm.name, alarm.is_acceptable) == (name, False)
    assert named in alarm.after
    assert limits.honest == ()
    assert [one.is_acceptable for one in looked.alarms] == [True]
    assert alarms_of(looked) == alarms_of(again) == alarms_of(at_once)
    assert outcome.figures["fields"] == 1
    assert after.alarms == []
    assert await trail_of(store) == ["drifted record", "accepted record"]


async def test_what_changes_afterwards_is_an_alarm_as_ever(store: Store) -> None:
    await spoil(store.connection, DRIFT_BUCKET, drift_key(f"stream/{store.layout.stream}"), "text")
    await look_at(store)
    await change(store, max_msgs=100)

    assert alarms_of(await look_at(store)).keys() == {"record", "max_msgs"}


async def test_other_streams_are_watched_on(store: Store, server: EmbeddedServer) -> None:
    async with open_watched(server) as other:
        await change(other, max_msgs=100)
        await spoil(store.connection, DRIFT_BUCKET, drift_key(f"stream/{store.layout.stream}"), "empty map")

        found = await look_at(other)

    assert alarms_of(found) == {"max_msgs": ("not set", "100")}


async def test_record_of_a_server_is_taken_anew_as_well(store: Store) -> None:
    await spoil(store.connection, DRIFT_BUCKET, "server.cim-embedded", "cut off")
    await look(store, [])
    try:
        found = [(alarm.what, alarm.field) for alarm in (await read_drift(store)).alarms]
    finally:
        await carry_out(store, Registry([]), AcceptDrift(what="server/cim-embedded"))

    assert ("server/cim-embedded", "record") in found


async def test_key_of_nothing_that_is_watched_is_to_be_deleted(store: Store) -> None:
    await kv_put(store.connection, DRIFT_BUCKET, "nonsense", b"garbage")
    await look_at(store)
    try:
        (alarm,) = [one for one in (await read_drift(store)).alarms if one.what == "nonsense"]
    finally:
        await kv_delete(store.connection, DRIFT_BUCKET, "nonsense")

    assert (alarm.name, alarm.is_acceptable) == ("nonsense", False)
    assert "nats kv del cim-drift nonsense" in alarm.after
