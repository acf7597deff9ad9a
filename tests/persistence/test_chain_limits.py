"""Limits as what took the beginning of a stream: as they are, as they were before somebody raised them, and as nobody accepted them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from apps.persistence.chain import Cause, verify_aggregate, verify_stream, verify_type
from apps.persistence.chain.limits import read_words
from apps.persistence.drift import look, value_words
from apps.persistence.drift.record import ensure_drift
from apps.persistence.store import get_stream
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.changing_streams import ALLOWED, carry_out, open_stage, three_known_chains
from tests.persistence.engine_stage import Stage
from tests.persistence.raw_stream import ORDER, RawStream, facts, three_chains


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("limits")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(server, ALLOWED) as opened:
        await ensure_drift(opened.store.connection)
        yield opened


@pytest.fixture
async def raw(stage: Stage) -> RawStream:
    """Three chains of eight versions in turn, 24 events; the registry knows the stream."""
    return await three_known_chains(stage)


async def set_limits(raw: RawStream, **limits: int) -> None:
    """What anybody with the right on the server can do, past the console."""
    info = await get_stream(raw.store.connection, raw.layout.stream)
    await raw.store.connection.api(f"STREAM.UPDATE.{info.name}", {**info.config, **limits})


async def look_at(raw: RawStream) -> None:
    await look(raw.store, [raw.layout.stream])


async def accept_drift(stage: Stage, raw: RawStream) -> None:
    run = await carry_out(stage, "accept-drift", what=f"stream/{raw.layout.stream}")
    assert run.state.value == "finished", run.outcome


async def test_limit_that_was_raised_past_the_console_still_explains_what_it_took(raw: RawStream) -> None:
    await set_limits(raw, max_msgs=17)
    await look_at(raw)
    await set_limits(raw, max_msgs=1_000)

    unseen = await verify_stream(raw.store)
    await look_at(raw)
    seen = await verify_stream(raw.store)

    assert (unseen.intact, seen.intact) == (True, True)
    assert [part.sentence for part in seen.removed] == [
        "7 messages at the beginning, which perhaps its limit of messages (17 once), which cannot be told any more, removed"
    ]


async def test_limit_that_was_accepted_explains_also_after_it_is_gone(stage: Stage, raw: RawStream) -> None:
    await look_at(raw)
    await set_limits(raw, max_msgs=17)
    await look_at(raw)
    await accept_drift(stage, raw)
    await set_limits(raw, max_msgs=-1)
    await look_at(raw)
    await accept_drift(stage, raw)

    assert (await verify_stream(raw.store)).intact


@pytest.mark.parametrize("ends", ["it stays", "it goes back"])
async def test_limit_that_was_lowered_and_not_accepted_explains_nothing(raw: RawStream, ends: str) -> None:
    await look_at(raw)
    await set_limits(raw, max_msgs=17)
    await look_at(raw)
    if ends == "it goes back":
        await set_limits(raw, max_msgs=-1)
        await look_at(raw)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISSING, None, None, 1)]
    assert "its limit of messages (lowered from none to 17, as was seen at 20" in verdict.findings[0].explanation
    assert "not accepted) removed" in verdict.findings[0].explanation
    assert "`accept-drift` for stream/" in verdict.findings[0].explanation


async def test_one_aggregate_and_one_type_say_it_too_and_accepting_ends_it(stage: Stage, raw: RawStream) -> None:
    await look_at(raw)
    await set_limits(raw, max_msgs=17)
    await look_at(raw)

    before = [await verify_aggregate(raw.store, ORDER), await verify_type(raw.store, "sales", "order")]
    await accept_drift(stage, raw)
    after = [await verify_aggregate(raw.store, ORDER), await verify_type(raw.store, "sales", "order")]

    assert [facts(verdict) for verdict in before] == [[(Cause.MISSING, None, None, 1)]] * 2
    assert [verdict.intact for verdict in after] == [True, True]


async def test_what_a_limit_cannot_have_taken_before_it_was_lowered_stays_a_finding(raw: RawStream) -> None:
    await set_limits(raw, max_msgs=20)
    await look_at(raw)
    await set_limits(raw, max_msgs=17)
    await look_at(raw)

    verdict = await verify_stream(raw.store)

    assert "lowered from 20 to 17" in verdict.findings[0].explanation


async def test_limit_of_an_earlier_stream_of_that_name_explains_nothing(raw: RawStream) -> None:
    connection, name = raw.store.connection, raw.layout.stream
    await set_limits(raw, max_msgs=17)
    await look_at(raw)
    await connection.api(f"STREAM.DELETE.{name}")
    await connection.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [f"{raw.layout.root}.>"], "allow_direct": True})
    await look_at(raw)
    await raw.write(*three_chains())
    await connection.api(f"STREAM.PURGE.{name}", {"seq": 8})

    assert (await verify_stream(raw.store)).removed == ()


@pytest.mark.parametrize(("changed", "explains"), [({"max_messages": "none"}, True), ({"description": "for olga"}, False)])
async def test_only_a_run_that_was_asked_to_change_a_limit_leaves_open_what_it_was(
    stage: Stage, raw: RawStream, changed: dict[str, str], explains: bool
) -> None:
    await set_limits(raw, max_msgs=1_000)
    await raw.store.connection.api(f"STREAM.PURGE.{raw.layout.stream}", {"seq": 8})
    run = await carry_out(stage, "change-stream", stream=raw.layout.stream, **changed)
    assert run.state.value == "finished", run.outcome

    verdict = await verify_stream(raw.store)

    assert verdict.intact is explains
    assert [part.sentence.split(", which ")[1] for part in verdict.removed] == ["perhaps its limit of messages"] * explains


@pytest.mark.parametrize(("limit", "said"), [(4_000_000, None), (500_000, "(of bytes only if a message of 4")])
async def test_limit_of_bytes_is_one_only_where_one_message_could_have_reached_it(raw: RawStream, limit: int, said: str | None) -> None:
    await set_limits(raw, max_bytes=limit)
    await raw.store.connection.api(f"STREAM.PURGE.{raw.layout.stream}", {"seq": 8})

    verdict = await verify_stream(raw.store)

    assert verdict.intact is (said is not None)
    assert all(said in part.sentence and "cannot be told" in part.sentence for part in verdict.removed if said)


async def test_stream_at_its_limit_of_bytes_is_said_to_be_plainly(raw: RawStream) -> None:
    held = (await get_stream(raw.store.connection, raw.layout.stream)).bytes
    await set_limits(raw, max_bytes=held * 3 // 4)

    verdict = await verify_stream(raw.store)

    assert [part.sentence.partition(", ")[2] for part in verdict.removed] == ["which its limit of bytes removed"]


@pytest.mark.parametrize("value", [1_000, 86_400 * 10**9, 400 * 86_400 * 10**9 + 1_500_000, 59 * 10**9])
@pytest.mark.parametrize("name", ["max_age", "max_msgs", "max_bytes"])
def test_what_the_watch_said_in_words_is_read_as_it_was(name: str, value: int) -> None:
    assert read_words(name, value_words(name, value)) == value
    assert read_words(name, value_words(name, None)) == 0
