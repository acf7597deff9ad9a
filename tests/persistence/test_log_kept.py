"""The kept tree of a stream holds every sequence, goes on where it stopped, and can be held against the stream at any time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidProof, NotFound, RevisionConflict
from apps.persistence.log import Leaf, check_consistency, check_inclusion, leaf_bytes, leaf_hash, parse_leaf
from apps.persistence.log.comparison import compare_with_stream
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log, keep_tree, logged_leaves, prove_consistency, prove_inclusion, read_log, root_at
from apps.persistence.log.tiles import TiledTree
from apps.persistence.store import Outgoing, get_stream, kv_delete, store_batch
from apps.persistence.store.embedded import EmbeddedServer

from .growing_log import naive_root
from .raw_stream import RawStream, edited, make_chain, open_raw_stream, outgoing, three_chains


@pytest.fixture
async def raw(nats_server: EmbeddedServer) -> AsyncIterator[RawStream]:
    async with open_raw_stream(nats_server) as stream:
        await ensure_log(stream.store.connection)
        yield stream


def feeder(raw: RawStream) -> LogFeeder:
    return LogFeeder(raw.store.connection, raw.layout.stream)


async def write_many(raw: RawStream, count: int) -> list[bytes]:
    """So many plain messages, and the leaves that they should have from sequence 1 on."""
    messages = [Outgoing(f"{raw.layout.root}.a.b.c.d.v{number}", f"{number}".encode(), {}) for number in range(1, count + 1)]
    await store_batch(raw.store.connection, messages)
    return [leaf_bytes(number, cid_of(message.data)) for number, message in enumerate(messages, 1)]


async def last_of(raw: RawStream) -> int:
    return (await get_stream(raw.store.connection, raw.layout.stream)).last_sequence


# -- feeding ------------------------------------------------------------------------------------------------------------------------------


async def test_fed_tree_is_that_of_the_definition(raw: RawStream) -> None:
    leaves = await write_many(raw, 300)

    state = await feeder(raw).feed()

    assert state is not None
    assert (state.size, state.root) == (300, naive_root(leaves))
    assert await read_log(raw.store.connection, raw.layout.stream) == state


async def test_another_feeder_goes_on_where_the_first_stopped(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await feeder(raw).feed()
    await raw.write(*make_chain(three_chains()[0].aggregate, 1))

    state = await feeder(raw).feed()

    assert state is not None
    assert state.size == 25
    assert (await compare_with_stream(raw.store.connection, raw.layout.stream, last=25)).agrees


async def test_feeder_that_somebody_overtook_writes_nothing_and_then_reads_again(raw: RawStream) -> None:
    await raw.write(*three_chains())
    first, second = feeder(raw), feeder(raw)
    await first.feed()
    await second.feed()
    await raw.write(*make_chain(three_chains()[0].aggregate, 1))
    await first.feed()
    await raw.write(*make_chain(three_chains()[1].aggregate, 1))

    with pytest.raises(RevisionConflict):
        await second.feed()

    state = await second.feed()
    assert state is not None
    assert state.size == 26


async def test_sequence_that_holds_nothing_has_a_leaf_too(raw: RawStream) -> None:
    await raw.write(*three_chains())
    for sequence in (1, 7, 8, 24):
        await raw.delete(sequence)

    await feeder(raw).feed()

    leaves = [parse_leaf(leaf) for leaf in await logged_leaves(raw.store.connection, raw.layout.stream, first=1, last=24)]
    assert [leaf.sequence for leaf in leaves if leaf.cid is None] == [1, 7, 8, 24]
    assert len(leaves) == 24


async def test_stream_that_forbids_direct_get_is_logged_all_the_same(raw: RawStream) -> None:
    leaves = await write_many(raw, 5)
    await raw.forbid_direct_get()

    state = await feeder(raw).feed()

    assert state is not None
    assert state.root == naive_root(leaves)


async def test_stream_that_is_not_there_has_no_log(raw: RawStream) -> None:
    assert await LogFeeder(raw.store.connection, "NOT-THERE").feed() is None
    assert await read_log(raw.store.connection, "NOT-THERE") is None


# -- logged again -------------------------------------------------------------------------------------------------------------------------


async def forget(raw: RawStream) -> None:
    await raw.store.connection.api("STREAM.PURGE.KV_cim-log-tiles")


async def test_tree_that_somebody_removed_is_logged_again_while_nothing_comes(raw: RawStream) -> None:
    leaves = await write_many(raw, 300)
    working = feeder(raw)
    await working.feed()
    await forget(raw)

    state = await working.feed()

    assert state is not None
    assert await read_log(raw.store.connection, raw.layout.stream) == state
    assert await root_at(raw.store.connection, raw.layout.stream, 300) == naive_root(leaves)


async def test_tree_that_somebody_shortened_is_logged_again_while_nothing_comes(raw: RawStream) -> None:
    leaves = await write_many(raw, 300)
    working = feeder(raw)
    before = await working.feed()
    assert before is not None
    tree = TiledTree()
    tree.append(leaves[:7])
    await keep_tree(raw.store.connection, raw.layout.stream, tree, revision=before.revision)

    await working.feed()

    state = await read_log(raw.store.connection, raw.layout.stream)
    assert state is not None
    assert (state.size, state.root) == (300, naive_root(leaves))


async def test_bucket_that_somebody_deleted_is_made_and_logged_again(raw: RawStream) -> None:
    leaves = await write_many(raw, 5)
    working = feeder(raw)
    await working.feed()
    await raw.store.connection.api("STREAM.DELETE.KV_cim-log-tiles")

    await working.feed()

    assert await root_at(raw.store.connection, raw.layout.stream, 5) == naive_root(leaves)


async def test_events_that_are_gone_are_logged_again_as_they_were_where_that_is_kept(raw: RawStream) -> None:
    leaves = await write_many(raw, 5)
    await feeder(raw).feed()
    await raw.delete(2)
    await kv_delete(raw.store.connection, "cim-log-tiles", raw.layout.stream)

    state = await feeder(raw).feed()

    assert state is not None
    assert state.root == naive_root(leaves)


async def test_tree_without_its_newest_tiles_is_made_anew_the_second_time(raw: RawStream) -> None:
    leaves = await write_many(raw, 300)
    await feeder(raw).feed()
    await kv_delete(raw.store.connection, "cim-log-tiles", f"{raw.layout.stream}.tile/0/001")
    again = feeder(raw)

    with pytest.raises(InvalidProof, match="tile/0/001 is kept with 0 bytes"):
        await again.feed()
    await again.feed()

    assert await root_at(raw.store.connection, raw.layout.stream, 300) == naive_root(leaves)


# -- proofs -------------------------------------------------------------------------------------------------------------------------------


async def test_kept_tiles_prove_that_an_event_is_in_the_log(raw: RawStream) -> None:
    leaves = await write_many(raw, 300)
    await feeder(raw).feed()

    proof = await prove_inclusion(raw.store.connection, raw.layout.stream, 42, size=300)

    check_inclusion(leaf_hash(leaves[41]), index=41, size=300, proof=proof, root=naive_root(leaves))


async def test_kept_tiles_prove_that_an_older_log_is_its_beginning(raw: RawStream) -> None:
    leaves = await write_many(raw, 300)
    await feeder(raw).feed()

    proof = await prove_consistency(raw.store.connection, raw.layout.stream, old_size=257, new_size=300)

    check_consistency(
        old_size=257,
        old_root=naive_root(leaves[:257]),
        new_size=300,
        new_root=await root_at(raw.store.connection, raw.layout.stream, 300),
        proof=proof,
    )


async def test_proof_without_its_tile_is_refused(raw: RawStream) -> None:
    await write_many(raw, 300)
    await feeder(raw).feed()
    await kv_delete(raw.store.connection, "cim-log-tiles", f"{raw.layout.stream}.tile/0/000")

    with pytest.raises(InvalidProof, match="tile/0/000 holds 0 hashes"):
        await prove_inclusion(raw.store.connection, raw.layout.stream, 42, size=300)


# -- held against the stream --------------------------------------------------------------------------------------------------------------


async def test_untouched_stream_agrees_with_its_log(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await feeder(raw).feed()

    found = await compare_with_stream(raw.store.connection, raw.layout.stream, last=24)

    assert (found.agrees, found.present, found.gone, found.changed) == (True, 24, 0, 0)


async def test_events_that_went_since_are_told_and_the_tree_still_agrees(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await feeder(raw).feed()
    for sequence in (1, 5):
        await raw.delete(sequence)

    found = await compare_with_stream(raw.store.connection, raw.layout.stream, last=24)

    assert (found.agrees, found.present, found.gone) == (True, 22, 2)


async def test_stream_that_was_written_anew_is_named_with_the_first_event_that_differs(raw: RawStream) -> None:
    events = three_chains()
    await raw.write(*events)
    await feeder(raw).feed()
    await raw.store.connection.api(f"STREAM.PURGE.{raw.layout.stream}")
    config = (await raw.store.connection.api(f"STREAM.INFO.{raw.layout.stream}"))["config"]
    await raw.store.connection.api(f"STREAM.DELETE.{raw.layout.stream}")
    await raw.store.connection.api(f"STREAM.CREATE.{raw.layout.stream}", config)
    forged = outgoing(raw.layout, events[9])._replace(data=edited(events[9]))
    await raw.put(*(forged if number == 9 else outgoing(raw.layout, event) for number, event in enumerate(events)))

    found = await compare_with_stream(raw.store.connection, raw.layout.stream, last=await last_of(raw))

    assert (found.agrees, found.changed) == (False, 1)
    assert found.first_changed == (Leaf(10, cid_of(events[9].to_block())), Leaf(10, cid_of(edited(events[9]))))


async def test_stream_that_ends_before_its_log_is_cut(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await feeder(raw).feed()

    found = await compare_with_stream(raw.store.connection, raw.layout.stream, last=20)

    assert (found.is_cut, found.agrees, found.read) == (True, False, 20)


async def test_stream_that_was_never_logged_cannot_be_compared(raw: RawStream) -> None:
    with pytest.raises(NotFound, match="was logged yet"):
        await compare_with_stream(raw.store.connection, raw.layout.stream, last=0)
