"""Heads manifests: every aggregate of a stream with its newest event, in one block that an event of CIM-CONSOLE names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from apps.persistence.encoding import Cid, cid_of, decode
from apps.persistence.errors import CidNotFound, ContentDamaged, InvalidInput
from apps.persistence.events import AggregateRef
from apps.persistence.heads import (
    HEADS_BUCKET,
    HeadTable,
    compare_with_manifest,
    heads_ref,
    newest_manifest,
)
from apps.persistence.heads.manifest import Heading, HeadRow, ManifestReader, manifest_parts
from apps.persistence.store import CONSOLE, Outgoing, delete_object, load, store_message
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.changing_streams import open_stage, three_known_chains
from tests.persistence.engine_stage import Stage
from tests.persistence.heads_stage import manifest_of, record, replace_bytes, rows_of, stored_block
from tests.persistence.raw_stream import (
    ORDER,
    OTHER,
    THIRD,
    RawStream,
    create_raw_stream,
    make_chain,
)

HEADING = Heading(stream="S", sequence=9, at="2026-11-21T10:00:00.000000Z")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("heads")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(server) as opened:
        yield opened


@pytest.fixture
async def raw(stage: Stage) -> RawStream:
    """Three chains of eight versions in turn: the heads of ORDER, OTHER and THIRD lie at 22, 23 and 24. The registry knows the stream."""
    return await three_known_chains(stage)


# -- the manifest ----------------------------------------------------------------------------------------------------------------------


async def test_manifest_names_the_head_of_every_aggregate_as_loading_it_does(stage: Stage, raw: RawStream) -> None:
    outcome = await record(stage, raw)

    manifest = await manifest_of(raw)
    heads = [(await load(raw.store, ref)).head for ref in (THIRD, ORDER, OTHER)]
    assert outcome.sentence == f"{raw.layout.stream}: 3 aggregates up to sequence 24."
    assert [(row.name, row.version, Cid(row.cid)) for row in await rows_of(raw)] == [
        (str(head.aggregate), head.version, head.cid) for head in heads
    ]
    assert [row.sequence for row in await rows_of(raw)] == [24, 22, 23]
    assert (manifest.sequence, manifest.aggregates, manifest.by, manifest.version) == (24, 3, "olga", 1)


async def test_manifest_is_one_block_whose_cid_the_event_names(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)

    manifest = await manifest_of(raw)
    block = await stored_block(raw.store, manifest)
    value: Any = decode(block)
    assert cid_of(block) == manifest.cid
    assert (value["format"], value["stream"], value["sequence"]) == ("cim-heads/1", raw.layout.stream, 24)
    assert value["heads"][1][:4] == ["sales", "order", "o1", 8]


async def test_next_manifest_goes_on_from_the_one_before(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    new = make_chain(AggregateRef("sales", "order", "o3"), 2)
    await raw.write(*new)

    outcome = await record(stage, raw, "run-2")

    assert outcome.figures["events"] == 2
    assert [(row.name, row.version, row.sequence) for row in await rows_of(raw)] == [
        ("people.person.p1", 8, 24),
        ("sales.order.o1", 8, 22),
        ("sales.order.o2", 8, 23),
        ("sales.order.o3", 2, 26),
    ]
    assert [stored.event.type for stored in (await load(raw.store.on(CONSOLE), heads_ref(raw.layout.stream))).events] == [
        "heads_recorded",
        "heads_recorded",
    ]


async def test_nothing_is_recorded_where_nothing_is_new_nor_twice_by_one_run(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    await raw.write(*make_chain(AggregateRef("sales", "order", "o3"), 1))
    await record(stage, raw, "run-2")

    again, later = await record(stage, raw, "run-2"), await record(stage, raw, "run-3")

    assert again.figures["events"] == 0
    assert later.sentence == f"{raw.layout.stream}: nothing is new since 4 aggregates up to sequence 25."
    assert (await manifest_of(raw)).version == 2


async def test_many_heads_pass_through_the_file_and_the_pieces_of_the_block(stage: Stage) -> None:
    raw = await create_raw_stream(stage.store)
    stage.registry.layouts = (*stage.registry.layouts, raw.layout)
    await raw.write(*(make_chain(AggregateRef("sales", "order", f"o{number:04d}"), 1)[0] for number in range(520)))

    await record(stage, raw)
    found = await compare_with_manifest(raw.store, await manifest_of(raw))

    assert (found.holds, found.aggregates) == (True, 520)
    assert [row.sequence for row in await rows_of(raw)] == list(range(1, 521))


def test_heads_beyond_what_lies_in_memory_are_kept_too() -> None:
    with HeadTable(max_waiting=2) as table:
        for version in (1, 2, 3):
            for number in range(5):
                table.meet(("sales", "order", f"o{number}"), version, b"%d" % version, 10 * version + number)
        table.meet(("sales", "order", "o0"), 2, b"late", 99)

        assert [(row.name, row.version, row.sequence) for row in table.rows()] == [
            ("sales.order.o0", 3, 30),
            ("sales.order.o1", 3, 31),
            ("sales.order.o2", 3, 32),
            ("sales.order.o3", 3, 33),
            ("sales.order.o4", 3, 34),
        ]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_block_is_read_back_in_pieces_of_any_size(size: int) -> None:
    rows = [
        HeadRow(("sales", "order", f"o{number:05d}"), number + 1, cid_of(str(number).encode()).raw, number * 300 + 1)
        for number in range(300)
    ]
    block = b"".join(manifest_parts(HEADING, len(rows), rows))
    reader = ManifestReader(HEADING, len(rows))

    read = [row for start in range(0, len(block), size) for row in reader.feed(block[start : start + size])]
    reader.finish()

    assert read == rows


def test_rows_out_of_order_a_missing_one_and_bytes_behind_them_are_refused() -> None:
    rows = [HeadRow(("sales", "order", name), 1, cid_of(name.encode()).raw, 1) for name in ("b", "a")]
    block = b"".join(manifest_parts(HEADING, 2, rows))
    fewer = b"".join(manifest_parts(HEADING, 2, rows[:1]))
    more = b"".join(manifest_parts(HEADING, 1, rows[:1])) + b"\x00"

    with pytest.raises(ContentDamaged, match="not in its order"):
        ManifestReader(HEADING, 2).feed(block)
    with pytest.raises(ContentDamaged):
        _read_whole(fewer, 2)
    with pytest.raises(ContentDamaged, match="does not end"):
        _read_whole(more, 1)


def _read_whole(block: bytes, count: int) -> None:
    reader = ManifestReader(HEADING, count)
    reader.feed(block)
    reader.finish()


# -- what is no manifest ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 40, 200, -1])
async def test_changed_bytes_of_a_manifest_are_refused(stage: Stage, raw: RawStream, place: int) -> None:
    await record(stage, raw)
    manifest = await manifest_of(raw)
    block = bytearray(await stored_block(raw.store, manifest))
    block[place] ^= 1
    await replace_bytes(raw, manifest, bytes(block))

    with pytest.raises(ContentDamaged, match="is something else: it was changed after it was recorded"):
        await compare_with_manifest(raw.store, manifest)


async def test_manifest_without_the_omitted_aggregate_is_refused_and_recorded_anew_on_demand(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    manifest = await manifest_of(raw)
    rows = (await rows_of(raw))[:-1]
    await replace_bytes(raw, manifest, b"".join(manifest_parts(manifest.heading, len(rows), rows)))

    with pytest.raises(ContentDamaged):
        await record(stage, raw, "run-2")
    await record(stage, raw, "run-3", anew=True)
    assert len(await rows_of(raw)) == 3


async def test_manifest_that_is_gone_is_said_to_be(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    manifest = await manifest_of(raw)
    await delete_object(raw.store.connection, HEADS_BUCKET, str(manifest.cid))

    with pytest.raises(CidNotFound, match="is not in cim-heads; record the heads anew"):
        await compare_with_manifest(raw.store, manifest)


async def test_event_that_was_changed_makes_no_manifest(stage: Stage, raw: RawStream) -> None:
    """The event is in a chain of CIM-CONSOLE, and that chain is verified before it is believed."""
    await record(stage, raw)
    events = (await load(raw.store.on(CONSOLE), heads_ref(raw.layout.stream))).events
    forged = events[-1].event.to_block().replace(b"aggregates\x03", b"aggregates\x02")
    subject = CONSOLE.subject(events[-1].event).replace(".v1", ".v2")
    await store_message(raw.store.connection, Outgoing(subject, forged, {"Nats-Msg-Id": str(cid_of(forged))}))

    with pytest.raises((ContentDamaged, InvalidInput)):
        await newest_manifest(raw.store, raw.layout.stream)
