"""This module is the tests of the hub: sources start and stop with their browsers, fail and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from apps.live import feed as feed_module
from apps.live.frames import Fragment, Frame, Row, Rows
from apps.live.hub import Hub
from apps.live.sources import SOURCES, UnknownTopic, source
from apps.persistence.errors import Unreachable
from tests.web.live_hub_stage import Page, Stage, hub, running_hub, stage, tick, until

__all__ = ["hub", "stage"]


async def test_a_source_starts_with_its_first_browser_and_is_given_the_argument(hub: Hub, stage: Stage) -> None:
    Page(hub).look_at("stage:CIM-EVENTS")

    await until(lambda: stage.running == 1)

    assert stage.arguments == ["CIM-EVENTS"]


async def test_two_browsers_share_one_source(hub: Hub, stage: Stage) -> None:
    first, second = Page(hub), Page(hub)
    first.look_at("stage")
    second.look_at("stage")
    first_hello, second_hello = await first.newest(1), await second.newest(1)
    first.acknowledge()
    second.acknowledge()

    stage.put(tick(1))

    assert (await first.newest(2))["frames"] == [{"id": "tick", "html": '<p id="tick">1</p>'}]
    assert (await second.newest(2))["frames"] == [{"id": "tick", "html": '<p id="tick">1</p>'}]
    assert first_hello["frames"] == second_hello["frames"] == []
    assert stage.starts == 1


async def test_a_newcomer_gets_the_current_frame_of_every_fragment(hub: Hub, stage: Stage) -> None:
    Page(hub).look_at("stage")
    stage.put(tick(1), Fragment(id="tock", html="old"))
    stage.put(Fragment(id="tock", html="new"))
    await until(stage.batches.empty)
    newcomer = Page(hub)

    newcomer.look_at("stage")

    frames = (await newcomer.newest(1))["frames"]
    assert frames == [{"id": "tick", "html": '<p id="tick">1</p>'}, {"id": "tock", "html": "new"}]


async def test_a_source_stops_when_its_last_browser_has_gone(stage: Stage) -> None:
    async with running_hub(linger_seconds=0.05) as hub:
        page = Page(hub)
        page.look_at("stage")
        await until(lambda: stage.running == 1)

        hub.leave(page.subscriber)

        await until(lambda: stage.running == 0)
        assert hub.topics == ()


async def test_a_browser_that_comes_back_in_time_finds_the_source_running(hub: Hub, stage: Stage) -> None:
    page = Page(hub)
    page.look_at("stage")
    await until(lambda: stage.running == 1)

    hub.leave(page.subscriber)
    Page(hub).look_at("stage")

    await asyncio.sleep(0)
    assert stage.starts == 1


async def test_a_page_that_looks_at_something_else_lets_go_of_its_topics(stage: Stage) -> None:
    async with running_hub(linger_seconds=0.01) as hub:
        page = Page(hub)
        page.look_at("stage:old")
        await until(lambda: stage.running == 1)

        page.look_at("stage:new")

        await until(lambda: hub.topics == ("stage:new",))


async def test_an_unknown_topic_is_refused(hub: Hub) -> None:
    with pytest.raises(UnknownTopic):
        Page(hub).look_at("nonsense")


async def test_a_failed_source_is_started_again_and_browsers_are_told_in_between(hub: Hub, stage: Stage) -> None:
    page = Page(hub)
    page.look_at("stage")
    await page.newest(1)
    page.acknowledge()

    stage.batches.put_nowait(Unreachable("No NATS server answers at nats://127.0.0.1:1."))

    told = await page.newest(2)
    assert told["state"]["trouble"] == {"stage": "No NATS server answers at nats://127.0.0.1:1."}
    page.acknowledge()
    stage.put(tick(7))
    mended = await page.newest(3)
    assert mended["state"]["trouble"] == {}
    assert stage.starts == 2


async def test_a_bug_in_a_source_is_logged_and_does_not_take_the_hub_down(hub: Hub, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    page = Page(hub)
    page.look_at("stage")
    stage.batches.put_nowait(ZeroDivisionError("a bug"))
    stage.put(tick(1))

    await until(lambda: stage.starts == 2 and stage.batches.empty())

    assert "the live source of stage failed" in caplog.text
    assert hub.topics == ("stage",)


async def test_a_source_that_returns_has_finished_and_its_last_frame_stays(hub: Hub) -> None:
    starts = []

    async def once(_store: object, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
        starts.append(1)
        yield [tick(3)]

    source("once", permission=None)(once)
    Page(hub).look_at("once")
    await asyncio.sleep(2 * feed_module.FIRST_PAUSE_SECONDS)
    late = Page(hub)

    late.look_at("once")

    assert (await late.newest(1))["frames"] == [{"id": "tick", "html": '<p id="tick">3</p>'}]
    assert starts == [1]
    del SOURCES["once"]


async def test_every_browser_is_told_when_nats_is_away(hub: Hub, stage: Stage) -> None:
    page = Page(hub)
    page.look_at("stage")
    await page.newest(1)
    page.acknowledge()

    hub.tell_link({"link": "reconnecting", "since": "2026-11-21T10:40:31+00:00", "attempts": 3})

    told = await page.newest(2)
    assert told["state"]["nats"] == {"link": "reconnecting", "since": "2026-11-21T10:40:31+00:00", "attempts": 3}


def tail(first: int, last: int) -> Rows:
    shown = tuple(Row(sequence=sequence, html=f"<tr><td>{sequence}</td></tr>") for sequence in range(first, last + 1))
    return Rows(id="tail", rows=shown, first=first, last=last)


async def test_a_browser_that_comes_back_gets_the_rows_after_the_last_it_has(hub: Hub, stage: Stage) -> None:
    Page(hub).look_at("stage")
    stage.put(tail(1, 10))
    await until(stage.batches.empty)
    page = Page(hub)

    page.look_at("stage", positions={"tail": 8})

    frames = (await page.newest(1))["frames"]
    assert [sequence for sequence, _ in frames[0]["rows"]] == [9, 10]


async def test_a_paused_topic_is_held_and_counted_and_goes_on_where_it_stopped(hub: Hub, stage: Stage) -> None:
    page = Page(hub)
    page.look_at("stage", positions={"tail": 0})
    await page.newest(1)
    page.acknowledge()
    stage.put(tail(1, 2))
    await page.newest(2)
    page.acknowledge()

    hub.pause(page.subscriber, "stage")
    stage.put(tail(3, 130))
    await until(stage.batches.empty)
    held = await page.newest(3)
    page.acknowledge()
    hub.resume(page.subscriber, "stage")
    resumed = await page.newest(4)

    assert held["frames"] == []
    assert held["state"]["waiting"] == {"stage": 128}
    assert [sequence for sequence, _ in resumed["frames"][0]["rows"]] == list(range(3, 131))
    assert resumed["state"]["waiting"] == {}
