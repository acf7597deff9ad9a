"""This module is the test of turning pages back through streams with gaps of every kind: right, and without reading what is not shown."""

from __future__ import annotations

import random

import pytest

from apps.persistence.store import Outgoing, Store, ensure_stream, get_stream, page_back, paging, store_message
from tests.persistence.conftest import fresh_layout


async def stream_with_gaps(store: Store, *, kept: list[int], size: int) -> str:
    name = fresh_layout().stream
    await ensure_stream(store.connection, {"name": name, "subjects": [f"{name}.*"], "allow_direct": True, "storage": "memory"})
    for sequence in range(1, size + 1):
        await store_message(store.connection, Outgoing(f"{name}.{'rare' if sequence % 7 == 0 else 'often'}", b"", {}))
    for sequence in sorted(set(range(1, size + 1)) - set(kept)):
        await store.connection.api(f"STREAM.MSG.DELETE.{name}", {"seq": sequence}, stream=name)
    return name


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_page_back_is_the_last_messages_before_its_cursor(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    kept = sorted(
        sequence for start in range(1, 400, 40) if chance.random() < 0.6 for sequence in range(start, start + chance.randint(1, 40))
    )
    stream = await get_stream(store.connection, await stream_with_gaps(store, kept=kept, size=420))

    for before in (2, 55, 200, 333, 421, 9999):
        page = await page_back(store.connection, stream, before_sequence=before, limit=9)
        assert [message.sequence for message in page.messages] == [sequence for sequence in kept if sequence < before][-9:]


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_filtered_page_back_is_the_last_matches_before_its_cursor(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    kept = sorted(chance.sample(range(1, 421), 250))
    name = await stream_with_gaps(store, kept=kept, size=420)
    stream = await get_stream(store.connection, name)

    for before in (2, 55, 200, 421):
        page = await page_back(store.connection, stream, before_sequence=before, limit=5, pattern=f"{name}.rare")
        assert [message.sequence for message in page.messages] == [n for n in kept if n < before and n % 7 == 0][-5:]


async def test_a_dense_range_behind_a_wide_gap_costs_a_few_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    name = fresh_layout().stream
    await ensure_stream(
        store.connection,
        {"name": name, "subjects": [f"{name}.*"], "allow_direct": True, "storage": "memory", "max_msgs_per_subject": 1, "discard": "old"},
    )
    for number in range(2000):
        await store_message(store.connection, Outgoing(f"{name}.{number}", b"", {}))
    for _ in range(5000):
        await store_message(store.connection, Outgoing(f"{name}.hot", b"", {}))
    stream = await get_stream(store.connection, name)
    read = count_reads(monkeypatch)

    page = await page_back(store.connection, stream, before_sequence=7001, limit=50)

    assert [message.sequence for message in page.messages] == [*range(1952, 2001), 7000]
    assert sum(read) < 1000


@pytest.mark.parametrize("seed", range(6))
async def test_matches_in_clusters_are_paged_back_without_a_loss(store: Store, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "FIRST_WINDOW", 8)
    chance = random.Random(seed)
    name = fresh_layout().stream
    await ensure_stream(store.connection, {"name": name, "subjects": [f"{name}.*"], "allow_direct": True, "storage": "memory"})
    wanted = {
        n for start in range(1, 900, 100) if chance.random() < 0.6 for n in range(start, start + 100) if chance.random() < chance.random()
    }
    for sequence in range(1, 901):
        await store_message(store.connection, Outgoing(f"{name}.{'wanted' if sequence in wanted else 'other'}", b"", {}))
    stream = await get_stream(store.connection, name)

    seen: list[int] = []
    before = 901
    while before > 1:
        page = await page_back(store.connection, stream, before_sequence=before, limit=7, pattern=f"{name}.wanted")
        seen = [message.sequence for message in page.messages] + seen
        before = page.scanned_from

    assert seen == sorted(wanted)


async def test_matches_behind_a_long_stretch_of_others_are_found_in_few_requests(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    name = fresh_layout().stream
    await ensure_stream(store.connection, {"name": name, "subjects": [f"{name}.*"], "allow_direct": True, "storage": "memory"})
    for number in range(3000):
        await store_message(store.connection, Outgoing(f"{name}.{'wanted' if number % 3 == 0 else 'other'}", b"", {}))
    for _ in range(3000):
        await store_message(store.connection, Outgoing(f"{name}.other", b"", {}))
    stream = await get_stream(store.connection, name)
    read = count_reads(monkeypatch)

    page = await page_back(store.connection, stream, before_sequence=6001, limit=20, pattern=f"{name}.wanted")

    assert [message.sequence for message in page.messages] == list(range(2941, 3000, 3))
    assert len(read) <= 8
    assert sum(read) < 250


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of every batch that is read from now on, how many messages it had."""
    read: list[int] = []
    read_batch = paging.read_batch

    async def counting(*args: object, **kwargs: object) -> object:
        batch = await read_batch(*args, **kwargs)  # type: ignore[arg-type]
        read.append(len(batch.messages))
        return batch

    monkeypatch.setattr(paging, "read_batch", counting)
    return read


async def test_a_newest_page_that_was_far_to_find_takes_two_requests_the_next_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    name = fresh_layout().stream
    await ensure_stream(store.connection, {"name": name, "subjects": [f"{name}.*"], "allow_direct": True, "storage": "memory"})
    for number in range(2400):
        await store_message(store.connection, Outgoing(f"{name}.{'wanted' if number < 400 else 'other'}", b"", {}))
    stream = await get_stream(store.connection, name)
    first = await page_back(store.connection, stream, before_sequence=2401, limit=20, pattern=f"{name}.wanted")
    read = count_reads(monkeypatch)

    again = await page_back(store.connection, stream, before_sequence=2401, limit=20, pattern=f"{name}.wanted")

    assert again == first
    assert len(read) <= 2
