"""Replicas: every node is asked for its own copy, and the one that lacks something or holds other bytes is named, with the sequences."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from apps.persistence.drift import look, read_drift
from apps.persistence.drift.record import ensure_drift
from apps.persistence.errors import InvalidInput, ServerRefused, Unavailable
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import TILES_BUCKET
from apps.persistence.log.reading import read_leaves
from apps.persistence.operations import CompareReplicas
from apps.persistence.registry import Domain, Registry
from apps.persistence.replicas import ReplicaComparison, compare_replicas
from apps.persistence.store import Store, ensure_bucket, ensure_event_stream, ensure_home, get_message, get_stream, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.operation import Outcome
from apps.persistence.work.run import RUNS_BUCKET

from .clustered import Cluster, ClusteredServer, running_cluster
from .conftest import fresh_layout
from .damaging import Damage, Kind, Part, damage_stream, stream_files
from .engine_stage import append_events
from .operating import Noted, carry_out

ROUNDS = int(os.environ.get("CIM_DAMAGE_ROUNDS", "1"))
SECONDS = 60
EVENTS_THERE = 1200
EVENTS_OF_LITTLE = 40
ASKED_OFTEN = 12


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
async def store(cluster: Cluster) -> AsyncIterator[Store]:
    """An empty stream on three nodes, through a connection to n1, which no test stops."""
    layout = fresh_layout()
    async with open_store(cluster.named("n1").settings(), layout=layout, layouts=[layout]) as opened:
        await ensure_home(opened.connection, replicas=3)
        for bucket in (TILES_BUCKET, RUNS_BUCKET):
            await ensure_bucket(opened.connection, bucket, replicas=3)
        await place(opened)
        yield opened


async def place(store: Store) -> None:
    """The stream on all three nodes; one that a test has just stopped may still count as away."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await ensure_event_stream(store.connection, store.layout, replicas=3)
                return
            except (ServerRefused, Unavailable):
                await asyncio.sleep(0.2)


async def fill(store: Store, events: int, *, is_logged: bool = True) -> None:
    await append_events(store, events)
    if is_logged:
        await LogFeeder(store.connection, store.layout.stream).feed()


async def victim_in(store: Store, cluster: Cluster) -> ClusteredServer:
    """A node that follows, and is not the one that the test is connected to."""
    leader = (await get_stream(store.connection, store.layout.stream)).leader
    return next(server for server in cluster.servers if server.name not in (leader, "n1"))


async def back_in_group(store: Store, victim: ClusteredServer) -> None:
    """Until the others say that the node is there and has caught up."""
    await asyncio.to_thread(victim.wait)
    async with asyncio.timeout(SECONDS):
        while True:
            info = await get_stream(store.connection, store.layout.stream)
            there = {info.leader, *(one.name for one in info.followers if one.is_current and not one.is_offline)}
            if victim.name in there:
                return
            await asyncio.sleep(0.1)


async def damaged(store: Store, victim: ClusteredServer, chance: Random, kind: Kind | None = None, part: Part | None = None) -> Damage:
    """One file of the stream is damaged while its node is down; then the node comes back."""
    await asyncio.to_thread(victim.stop)
    damage = damage_stream(victim.data_dir, store.layout.stream, chance, kind=kind, part=part)
    victim.start()
    await back_in_group(store, victim)
    return damage


async def compare(store: Store) -> ReplicaComparison:
    return await compare_replicas(store.connection, store.layout.stream)


async def run_operation(store: Store) -> Outcome:
    registry = Registry([Domain(name="test", title="Test", layouts=[store.layout])])
    operation = CompareReplicas(stream=store.layout.stream)
    return await carry_out(store, registry, operation, Noted(run_id=f"run-{store.layout.stream}"))


def nodes_in(outcome: Outcome) -> list[Any]:
    nodes: Any = outcome.figures["nodes"]
    return list(nodes)


async def test_three_copies_that_are_the_same_agree_with_each_other_and_the_log(store: Store) -> None:
    await fill(store, EVENTS_THERE)

    found = await compare(store)
    outcome = await run_operation(store)

    assert found.agrees
    assert (found.last, found.logged) == (EVENTS_THERE, EVENTS_THERE)
    assert [(node.messages, node.first, node.last, node.deleted) for node in found.nodes] == [(EVENTS_THERE, 1, EVENTS_THERE, 0)] * 3
    assert [len(node.roots) for node in found.nodes] == [2, 2, 2]
    assert len({node.tree.root() for node in found.nodes}) == 1
    assert outcome.sentence.startswith("All 3 nodes hold the same 1,200 sequences of")
    assert outcome.figures["intact"] is True


async def test_node_whose_block_was_cut_is_named_with_what_it_lacks(store: Store, cluster: Cluster) -> None:
    await fill(store, EVENTS_THERE)
    victim = await victim_in(store, cluster)
    damage = await damaged(store, victim, Random(5), Kind.TRUNCATE, Part.BLOCK)

    outcome = await run_operation(store)

    bad = [node for node in nodes_in(outcome) if node["lacks"]]
    assert [node["name"] for node in bad] == [victim.name], damage
    assert bad[0]["messages"] == EVENTS_THERE - bad[0]["lacks"]
    assert f"node {victim.name} lacks sequences {bad[0]['first_bad']:,} to 1,200. To mend it: set its replicas to 1" in outcome.sentence
    assert outcome.figures["intact"] is False


async def test_node_that_holds_other_bytes_is_named_with_the_sequence(store: Store, cluster: Cluster, tmp_path: Path) -> None:
    """Somebody with a shell on n2 replaces its files by those of another server, where event 17 is another one."""
    await fill(store, EVENTS_OF_LITTLE)
    victim = await victim_in(store, cluster)
    await asyncio.to_thread(victim.stop)
    await replace_files(store, victim, tmp_path)
    victim.start()
    await back_in_group(store, victim)

    found = await compare(store)

    (bad,) = found.wrong
    assert bad.name == victim.name
    assert bad.sentence == f"node {victim.name} holds other bytes at sequence 17"


async def test_without_a_log_the_node_that_is_not_as_the_other_two_is_named(store: Store, cluster: Cluster) -> None:
    await fill(store, EVENTS_OF_LITTLE, is_logged=False)
    victim = await victim_in(store, cluster)
    damage = await damaged(store, victim, Random(7), Kind.DELETE, Part.BLOCK)

    found = await compare(store)

    assert found.logged == 0
    assert [node.sentence for node in found.wrong] == [f"node {victim.name} lacks sequences 1 to {EVENTS_OF_LITTLE}"], damage


async def test_event_that_one_node_lost_is_logged_from_the_others(store: Store, cluster: Cluster) -> None:
    """Every node answers for its own copy: what it passes over counts as missing only where the leader has nothing there either."""
    await fill(store, EVENTS_THERE, is_logged=False)
    whole = await all_leaves(store)
    victim = await victim_in(store, cluster)
    damage = await damaged(store, victim, Random(3), Kind.FLIP, Part.BLOCK)

    (bad,) = (await compare(store)).wrong

    assert bad.name == victim.name, damage
    assert [await all_leaves(store) for _ in range(ASKED_OFTEN)] == [whole] * ASKED_OFTEN


async def all_leaves(store: Store) -> list[bytes]:
    """Asked until one that has the end answers."""
    leaves: list[bytes] = []
    async with asyncio.timeout(SECONDS):
        while len(leaves) < EVENTS_THERE:
            async for found in read_leaves(store.connection, store.layout.stream, after=len(leaves), last=EVENTS_THERE):
                leaves += found
    return leaves


async def test_nothing_is_said_of_a_node_that_is_down(store: Store, cluster: Cluster) -> None:
    await fill(store, EVENTS_OF_LITTLE)
    victim = await victim_in(store, cluster)
    await asyncio.to_thread(victim.stop)
    try:
        async with asyncio.timeout(SECONDS):
            while not await is_offline(store, victim):  # noqa: ASYNC110  (what is looked at is on a server)
                await asyncio.sleep(0.2)

        found = await compare(store)
        outcome = await run_operation(store)
    finally:
        victim.start()
        await back_in_group(store, victim)

    assert not found.agrees
    assert found.wrong == []
    assert [node.name for node in found.not_asked] == [victim.name]
    assert f"node {victim.name} could not be asked: it is offline." in outcome.sentence
    assert outcome.figures["intact"] is False


async def is_offline(store: Store, victim: ClusteredServer) -> bool:
    info = await get_stream(store.connection, store.layout.stream)
    return any(one.name == victim.name and one.is_offline for one in info.followers)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_whatever_is_damaged_nobody_but_its_node_is_named(store: Store, cluster: Cluster, number: int) -> None:
    """The server may mend a copy when it starts; where it does not, the node serves less or other, and is named."""
    await fill(store, EVENTS_OF_LITTLE)
    victim = await victim_in(store, cluster)
    damage = await damaged(store, victim, Random(number))

    found = await compare(store)

    assert {node.name for node in found.wrong} <= {victim.name}, damage
    for node in found.nodes:
        assert node.is_asked, node.why_not
        assert (node.messages == EVENTS_OF_LITTLE and not node.other.count) != node.is_wrong, damage


async def test_replicas_that_somebody_took_away_are_drift(store: Store) -> None:
    await ensure_drift(store.connection)
    await look(store, [store.layout.stream])
    info = await get_stream(store.connection, store.layout.stream)
    await store.connection.api(f"STREAM.UPDATE.{info.name}", {**info.config, "num_replicas": 1}, stream=info.name)

    await look(store, [store.layout.stream])

    alarms = (await read_drift(store)).of(store.layout.stream).alarms
    assert [(alarm.field, alarm.before, alarm.after) for alarm in alarms] == [("num_replicas", "3", "1")]


async def test_stream_of_one_replica_has_nothing_to_compare_with(nats_server: EmbeddedServer) -> None:
    layout = fresh_layout()
    async with open_store(nats_server.settings(), layout=layout, layouts=[layout]) as store:
        await ensure_event_stream(store.connection, layout)

        with pytest.raises(InvalidInput, match=r"has one replica.*, so there is nothing to compare it with"):
            await CompareReplicas(stream=layout.stream).plan(store, Registry([]))


async def replace_files(store: Store, victim: ClusteredServer, folder: Path) -> None:
    """The same stream on a server of its own, with the same events but for one."""
    here = await get_stream(store.connection, store.layout.stream)
    with EmbeddedServer(folder / "other") as other:
        async with open_store(other.settings(), layout=store.layout) as forged:
            await ensure_event_stream(forged.connection, store.layout)
            for sequence in range(1, here.last_sequence + 1):
                message = await get_message(store.connection, here.name, sequence, leader=True)
                await forged.connection.request(message.subject, b"forged" if sequence == 17 else message.data)
    ours = stream_files(victim.data_dir, here.name, Part.BLOCK)[0].parent
    theirs = stream_files(other.data_dir, here.name, Part.BLOCK)[0].parent
    shutil.rmtree(ours)
    shutil.copytree(theirs, ours)
