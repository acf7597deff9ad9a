"""Creating and changing streams and buckets through runs: the difference is told before, with what would go and what the server refuses."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pytest

from apps.persistence.errors import InvalidInput, KeyNotFound
from apps.persistence.operations.stream_settings import age_words, limits_in, parse_age, parse_size, size_words
from apps.persistence.registry import StreamChanges
from apps.persistence.store import ensure_bucket, get_stream, kv_get, kv_history, kv_put, list_consumers
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.run import RunState
from tests.persistence.changing_streams import carry_out, facts, make_stream, one_of, open_stage, plan, publish
from tests.persistence.engine_stage import Stage


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("changes")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(server) as opened:
        yield opened


# -- streams ----------------------------------------------------------------------------------------------------------------------------


async def test_stream_is_created_as_it_was_planned(stage: Stage) -> None:
    given = {"name": "INVOICES", "subjects": "invoices.>\nbills.*", "max_age": "30 d", "max_bytes": "10 GB", "keeps_everything": "on"}
    planned = await plan(stage, "create-stream", **given)

    run = await carry_out(stage, "create-stream", **given)

    config = (await get_stream(stage.store.connection, "INVOICES")).config
    assert facts(planned)["Greatest age"] == ("–", "30 d")
    assert facts(planned)["Purging"] == ("–", "forbidden for good")
    assert run.outcome == "INVOICES stores invoices.> bills.*."
    assert (config["max_age"], config["max_bytes"], config["deny_purge"]) == (30 * 86_400 * 10**9, 10**10, True)
    with pytest.raises(InvalidInput, match="there is a stream of that name"):
        await plan(stage, "create-stream", name="INVOICES", subjects="other.>")


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"name": "A B"}, "no white space"),
        ({"name": "KV_x"}, "Create a bucket"),
        ({"name": "CIM-MINE"}, "console's own"),
        ({"name": "KEPT-1"}, "CIM_PROTECTED_STREAMS"),
        ({"name": "X", "subjects": "cim.events.mine"}, r"overlaps cim\.events\.> of CIM-EVENTS"),
        ({"name": "X", "subjects": "a..b"}, "empty token"),
        ({"name": "X", "subjects": "$JS.>"}, "begins with \\$ is the server's own"),
        ({"name": "X", "subjects": ">"}, "server's own"),
        ({"name": "X", "subjects": "rv.>\nrv.a"}, r"rv\.> and rv\.a, which overlap"),
        ({"name": "X", "max_age": "soon"}, "max_age is 'soon'"),
        ({"name": "X", "max_bytes": "much"}, "max_bytes is 'much'"),
    ],
)
async def test_stream_that_cannot_be_created_is_refused_with_the_reason(stage: Stage, given: dict[str, str], refusal: str) -> None:
    with pytest.raises(InvalidInput, match=refusal):
        await plan(stage, "create-stream", **{"subjects": "free.>", **given})


async def test_refusal_of_the_server_stands_in_the_receipt_with_its_code(stage: Stage) -> None:
    run = await carry_out(stage, "create-stream", name="WIDE", subjects="wide.>", replicas="3")

    assert run.state is RunState.FAILED
    assert run.outcome == "The server refused: replicas > 1 not supported in non-clustered mode (code 10074)."


async def test_change_tells_the_difference_and_leaves_the_rest(stage: Stage) -> None:
    name = await make_stream(stage.store, description="before")

    planned = await plan(stage, "change-stream", stream=name, description="after", max_messages="1,000", allow_direct="no")
    await carry_out(stage, "change-stream", stream=name, description="after", max_messages="1,000", allow_direct="no")

    config = (await get_stream(stage.store.connection, name)).config
    assert facts(planned) == {
        "Description": ("before", "after"),
        "Most messages": ("no limit", "1,000"),
        "Direct Get": ("allowed", "not allowed"),
    }
    assert planned.confirm_with == ""
    assert (config["description"], config["max_msgs"], config["allow_direct"], config["subjects"]) == ("after", 1000, False, [f"{name}.>"])


@pytest.mark.parametrize(
    ("given", "count"), [({"max_messages": "2"}, 4), ({"max_per_subject": "1"}, 3), ({"max_age": "1 s"}, 6), ({"max_bytes": "1"}, 6)]
)
async def test_change_that_removes_messages_counts_them_and_is_confirmed_by_typing(stage: Stage, given: dict[str, str], count: int) -> None:
    name = await make_stream(stage.store)
    await publish(stage.store, name, "a", "b", "c", "a", "b", "c")
    if "max_age" in given:
        given = {"max_age": "1 ms"}  # the server takes 100 ms and more; the plan counts all the same

    planned = await plan(stage, "change-stream", stream=name, **given)

    assert planned.counts[0][1] == count
    assert planned.confirm_with == name


async def test_change_back_and_forth_is_possible_except_what_is_for_good(stage: Stage) -> None:
    name = await make_stream(stage.store, max_msgs=5)

    forbidding = await plan(stage, "change-stream", stream=name, forbid_purging="on")
    await carry_out(stage, "change-stream", stream=name, forbid_purging="on", max_messages="none")

    config = (await get_stream(stage.store.connection, name)).config
    assert forbidding.confirm_with == name
    assert (config["deny_purge"], config["max_msgs"]) == (True, -1)
    with pytest.raises(InvalidInput, match="has these settings already"):
        await plan(stage, "change-stream", stream=name, forbid_purging="on")


async def test_change_of_subjects_names_what_is_no_longer_stored_and_what_is_taken(stage: Stage) -> None:
    name = await make_stream(stage.store)

    planned = await plan(stage, "change-stream", stream=name, subjects="shipments.>")

    assert one_of(planned.notes, "no longer stored") == f"What is published under {name}.> is no longer stored; what lies there stays."
    with pytest.raises(InvalidInput, match="overlaps"):
        await plan(stage, "change-stream", stream=name, subjects="cim.>")


async def test_chained_stream_gets_no_limit_by_which_events_vanish(stage: Stage) -> None:
    name = await make_stream(stage.store, name="LEDGER")
    layout = type(stage.registry.layouts[0])(stream=name, root=name)
    stage.registry.layouts = (*stage.registry.layouts, layout)

    with pytest.raises(InvalidInput, match="max_age would let events vanish"):
        await plan(stage, "change-stream", stream=name, max_age="30 d")


async def test_nothing_is_created_where_the_setting_does_not_allow_it(server: EmbeddedServer) -> None:
    async with open_stage(server, StreamChanges()) as stage:
        with pytest.raises(InvalidInput, match="CIM_STREAM_CHANGES is off"):
            await plan(stage, "create-stream", name="X", subjects="x.>")
        with pytest.raises(InvalidInput, match="CIM_STREAM_CHANGES is off"):
            await plan(stage, "create-bucket", name="x")


# -- buckets ----------------------------------------------------------------------------------------------------------------------------


async def test_bucket_is_created_and_takes_keys(stage: Stage) -> None:
    run = await carry_out(stage, "create-bucket", name="prefs", history="3", ttl="1 h")

    connection = stage.store.connection
    await kv_put(connection, "prefs", "theme", b"dark")
    info = await get_stream(connection, "KV_prefs")
    assert run.outcome == "The bucket prefs is there, in the stream KV_prefs."
    assert (info.config["max_msgs_per_subject"], info.config["max_age"]) == (3, 3600 * 10**9)
    with pytest.raises(InvalidInput, match="there is such a bucket"):
        await plan(stage, "create-bucket", name="prefs")
    with pytest.raises(InvalidInput, match="letters, digits"):
        await plan(stage, "create-bucket", name="a b")


async def test_object_store_is_created_under_the_subjects_of_object_stores(stage: Stage) -> None:
    await carry_out(stage, "create-bucket", name="files", kind="objects")

    assert (await get_stream(stage.store.connection, "OBJ_files")).subjects == ("$O.files.C.>", "$O.files.M.>")


async def test_shorter_history_counts_the_revisions_that_go(stage: Stage) -> None:
    connection = stage.store.connection
    await ensure_bucket(connection, "changing", history=5)
    for _ in range(4):
        await kv_put(connection, "changing", "a", b"1")

    planned = await plan(stage, "change-bucket", bucket="changing", history="1")
    run = await carry_out(stage, "change-bucket", bucket="changing", history="1")

    assert (planned.counts, planned.confirm_with) == ((("over the number of one subject", 3),), "changing")
    assert run.outcome == "changing keeps 1 revision of a key; values expire: never."
    assert len(await kv_history(connection, "changing", "a")) == 1
    with pytest.raises(InvalidInput, match="Nothing of changing would change"):
        await plan(stage, "change-bucket", bucket="changing", history="1")


async def test_purged_key_is_gone_with_its_history(stage: Stage) -> None:
    connection = stage.store.connection
    await ensure_bucket(connection, "keys", history=5)
    for value in (b"1", b"2"):
        await kv_put(connection, "keys", "a", value)

    planned = await plan(stage, "purge-key", bucket="keys", key="a")
    await carry_out(stage, "purge-key", bucket="keys", key="a")

    assert (planned.counts, planned.confirm_with) == ((("a", 2),), "a")
    assert await kv_get(connection, "keys", "a") is None
    assert [entry.operation for entry in await kv_history(connection, "keys", "a")] == ["purge"]
    with pytest.raises(KeyNotFound, match="holds no key 'a'"):
        await plan(stage, "purge-key", bucket="keys", key="a")


async def test_bucket_of_the_console_is_not_changed(stage: Stage) -> None:
    with pytest.raises(InvalidInput, match="console's own"):
        await plan(stage, "change-bucket", bucket="cim-leases", history="3")
    assert await list_consumers(stage.store.connection, "KV_cim-leases") == []


# -- what people type ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "nanoseconds", "words"),
    [
        ("30 d", 30 * 86_400 * 10**9, "30 d"),
        ("2 weeks", 14 * 86_400 * 10**9, "2 w"),
        ("90m", 5400 * 10**9, "90 min"),
        ("1.5 s", 1_500_000_000, "1.5 s"),
    ],
)
def test_ages_are_typed_and_read(text: str, nanoseconds: int, words: str) -> None:
    assert parse_age("max_age", text) == nanoseconds
    assert age_words(nanoseconds) == words


@pytest.mark.parametrize(
    ("text", "octets", "words"),
    [("10 GB", 10**10, "10 GB"), ("512 KiB", 524_288, "524,288 bytes"), ("4096", 4096, "4,096 bytes"), ("1.5 MB", 1_500_000, "1,500 KB")],
)
def test_sizes_are_typed_and_read(text: str, octets: int, words: str) -> None:
    assert parse_size("max_bytes", text) == octets
    assert size_words(octets) == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_bytes": "0"}, "max_bytes is '0', which a NATS server takes as no limit; write none"),
        ({"max_messages": "0"}, "max_messages is '0', which a NATS server takes as no limit"),
        ({"max_bytes": "9" * 23}, "more than a NATS server can hold"),
        ({"max_age": "999999999999 d"}, "more than a NATS server can hold"),
        ({"max_message_size": "3 GB"}, "max_message_size is '3 GB'; at most 2,147,483,647 bytes are possible"),
    ],
)
def test_limits_that_a_server_would_not_keep_are_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(words)):
        limits_in(given)
