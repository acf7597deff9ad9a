"""This module is the test of what moves on the streams pages: the tail shows or counts everything, and rows change when figures do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from apps.live.frames import Fragment, Frame, Refresh, Rows
from apps.persistence.events import new_id
from apps.persistence.store import Store, list_consumers, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.streams import live, subjects
from apps.streams.subjects import read_subjects
from apps.streams.survey import worst_lags

from .stream_stage import add_consumer, delete, fill, make_stream

PATIENCE_SECONDS = 60


@pytest.fixture
async def store(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(nats_server.settings("worker")) as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """A stream that no other test uses."""
    return f"T{new_id().replace('-', '')[-12:].upper()}"


def rows_in(frames: Sequence[Frame]) -> list[Rows]:
    return [frame for frame in frames if isinstance(frame, Rows)]


class Watch:
    """A browser's account of a tail: what was shown, and what it was told to have been left out."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.shown: list[int] = []
        self.skipped: list[int] = []
        self.counted = 0

    async def follow(self, frames: AsyncIterator[Sequence[Frame]], *, until: int) -> None:
        """Take frames in, as the hub and the page do, until they have come so far."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.last < until:
                for frame in rows_in(await anext(frames)):
                    self._take(frame)

    def _take(self, frame: Rows) -> None:
        assert frame.first <= self.last + 1
        self.skipped += range(self.last + 1, frame.begin)
        self.shown += [row.sequence for row in frame.rows if row.sequence > self.last]
        self.counted += frame.count or 0
        self.last = max(self.last, frame.last)


async def test_a_tail_shows_or_counts_every_sequence(store: Store, name: str) -> None:
    await make_stream(store, name)
    await fill(store, name, 20)
    frames = live.tail(store, f"{name} >")
    watch = Watch(last=20)
    await watch.follow(frames, until=20)

    async with asyncio.TaskGroup() as group:
        group.create_task(fill(store, name, 400))
        await watch.follow(frames, until=420)

    assert sorted(watch.shown + watch.skipped) == list(range(21, 421))
    assert len(watch.shown) >= 50


async def test_a_burst_is_shown_by_its_newest_and_the_rest_is_a_range(store: Store, name: str) -> None:
    await make_stream(store, name)
    await fill(store, name, 5)
    frames = live.tail(store, f"{name} >")
    await anext(frames)
    await fill(store, name, 300)
    watch = Watch(last=5)

    await watch.follow(frames, until=305)

    assert watch.shown == list(range(256, 306))
    assert watch.skipped == list(range(6, 256))
    assert watch.counted == 300


async def test_what_came_between_a_page_and_its_tail_is_shown(store: Store, name: str) -> None:
    await make_stream(store, name)
    await fill(store, name, 30)
    watch = Watch(last=10)

    await watch.follow(live.tail(store, f"{name} >"), until=30)

    assert watch.shown == list(range(11, 31))


async def test_a_filtered_tail_shows_its_matches_alone(store: Store, name: str) -> None:
    await make_stream(store, name)
    frames = live.tail(store, f"{name} {name.lower()}.late")
    await fill(store, name, 4, subjects=("new", "late"))
    watch = Watch(last=0)
    await watch.follow(frames, until=4)

    async with asyncio.TaskGroup() as group:
        group.create_task(fill(store, name, 40, subjects=("new", "sent", "paid", "late")))
        await watch.follow(frames, until=44)

    assert watch.shown == [2, 4, *range(8, 45, 4)]
    assert watch.skipped == []


async def test_a_stream_made_anew_has_its_page_fetched_again(store: Store, name: str) -> None:
    await make_stream(store, name)
    await fill(store, name, 20)
    frames = live.tail(store, f"{name} >")
    await anext(frames)
    await store.connection.api(f"STREAM.DELETE.{name}", stream=name)
    await make_stream(store, name)
    await fill(store, name, 3)

    async with asyncio.timeout(PATIENCE_SECONDS):
        batch = await anext(frames)

    assert isinstance(batch[0], Refresh)
    assert [row.sequence for row in rows_in(batch)[0].rows] == [1, 2, 3]


async def test_a_tail_of_a_mirror_needs_no_consumer(store: Store, name: str) -> None:
    await make_stream(store, name)
    await make_stream(store, f"{name}-COPY", mirror={"name": name})
    frames = live.tail(store, f"{name}-COPY >")
    await anext(frames)
    before = len(await list_consumers(store.connection, name))
    watch = Watch(last=0)

    await fill(store, name, 10)
    await watch.follow(frames, until=10)

    assert watch.shown == list(range(1, 11))
    assert len(await list_consumers(store.connection, name)) == before
    assert await list_consumers(store.connection, f"{name}-COPY") == []


async def test_rows_of_a_tail_are_escaped(store: Store, name: str) -> None:
    await make_stream(store, name)
    await fill(store, name, 1, subjects=("<b>",))

    (frame,) = rows_in(await anext(live.tail(store, f"{name} >")))

    assert "<b>" not in frame.rows[0].html
    assert "&lt;b&gt;" in frame.rows[0].html


async def test_the_list_yields_only_rows_that_changed(store: Store, name: str) -> None:
    await make_stream(store, name)
    frames = live.streams(store, "")
    await anext(frames)
    await fill(store, name, 3)

    async with asyncio.timeout(PATIENCE_SECONDS):
        batch = await anext(frames)

    changed = {frame.id: frame.html for frame in batch if isinstance(frame, Fragment)}
    assert '<td class="number">3' in changed[f"stream-{name}"]


async def test_the_head_of_a_stream_counts_on(store: Store, name: str) -> None:
    await make_stream(store, name)
    frames = live.stream(store, name)
    await anext(frames)
    await fill(store, name, 7)

    (head,) = await anext(frames)

    assert isinstance(head, Fragment)
    assert "7 events" in head.html


async def test_the_worst_lag_is_that_of_the_consumer_with_most_left_to_do(store: Store, name: str) -> None:
    await make_stream(store, name)
    await fill(store, name, 10, subjects=("a", "b"))
    await add_consumer(store, name, "everything")
    await add_consumer(store, name, "half", filter_subject=f"{name.lower()}.a")

    (lag,) = (await worst_lags(store, [name])).values()
    assert (lag.consumer, lag.events) == ("everything", 10)


async def test_subjects_are_opened_level_by_level_with_their_counts(store: Store, name: str) -> None:
    await make_stream(store, name)
    await fill(store, name, 12, subjects=("eu.de.paid", "eu.fr.paid", "us.paid", "us"))
    await delete(store, name, 12)
    root = name.lower()

    top = (await read_subjects(store, name, "")).level
    below = (await read_subjects(store, name, f"{root}.eu")).level

    assert [(branch.token, branch.events, branch.has_more, branch.is_subject) for branch in top.branches] == [
        ("eu", 6, True, False),
        ("us", 5, True, True),
    ]
    assert [(branch.token, branch.events) for branch in below.branches] == [("de", 3), ("fr", 3)]


async def test_many_subjects_are_sampled_and_what_was_not_met_is_counted(store: Store, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "LISTED_MESSAGES", 50)
    monkeypatch.setattr(subjects, "SAMPLES", 3)
    monkeypatch.setattr(subjects, "SAMPLE_SIZE", 2)
    await make_stream(store, name)
    await fill(store, name, 120, subjects=[f"often.{number}" for number in range(59)] + ["rare.x"])

    level = (await read_subjects(store, name, "")).level

    assert level.is_sampled
    assert [(branch.token, branch.events) for branch in level.branches] == [("often", 118)]
    assert level.unlisted == 2
