"""This module is the tests of the hub's pace: a browser is never sent more than it takes, and never twice the same."""

from __future__ import annotations

import asyncio

import pytest

from apps.live import hub as hub_module
from apps.live import subscriber as subscriber_module
from apps.live.hub import Hub
from tests.web.live_hub_stage import Page, Stage, hub, stage, tick, until

__all__ = ["hub", "stage"]


async def test_a_stalled_browser_costs_one_message_and_then_gets_the_newest_frame(hub: Hub, stage: Stage) -> None:
    page = Page(hub)
    page.look_at("stage")
    await page.newest(1)
    for number in range(1000):
        stage.put(tick(number))
    await until(stage.batches.empty)
    await asyncio.sleep(2 * subscriber_module.INTERVAL_SECONDS)
    assert len(page.messages) == 1

    page.acknowledge()

    assert (await page.newest(2))["frames"] == [{"id": "tick", "html": '<p id="tick">999</p>'}]


async def test_a_browser_gets_at_most_four_messages_a_second(hub: Hub, stage: Stage) -> None:
    page = Page(hub)
    page.look_at("stage")
    await page.newest(1)
    loop = asyncio.get_running_loop()
    end = loop.time() + 1.5

    number = 0
    while loop.time() < end:
        number += 1
        page.acknowledge()
        stage.put(tick(number))
        await asyncio.sleep(0.01)

    assert 4 <= len(page.messages) <= 7


async def test_a_browser_that_acknowledges_nothing_for_a_minute_is_let_go(hub: Hub, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "STALLED_SECONDS", 0.2)
    page = Page(hub)
    page.look_at("stage")

    await until(lambda: page.closed_with is not None)

    assert page.closed_with == 4408


async def test_a_socket_that_asks_for_nothing_is_let_go(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "KEEPALIVE_SECONDS", 0.2)
    page = Page(hub)

    await until(lambda: page.closed_with is not None)

    assert page.closed_with == 4408


async def test_a_quiet_page_hears_now_and_then_that_the_console_is_there(hub: Hub, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "KEEPALIVE_SECONDS", 0.2)
    page = Page(hub)
    page.look_at("stage")
    await page.newest(1)
    page.acknowledge()

    said = await page.newest(2)

    assert said["frames"] == []


async def test_html_that_did_not_change_is_not_sent_again(hub: Hub, stage: Stage) -> None:
    page = Page(hub)
    page.look_at("stage")
    await page.newest(1)
    page.acknowledge()
    stage.put(tick(1))
    await page.newest(2)
    page.acknowledge()

    stage.put(tick(1))

    await asyncio.sleep(2 * subscriber_module.INTERVAL_SECONDS)
    assert len(page.messages) == 2


async def test_an_acknowledgement_of_a_message_never_sent_is_refused(hub: Hub, stage: Stage) -> None:
    page = Page(hub)
    page.look_at("stage")
    await page.newest(1)

    assert page.subscriber.acknowledge(99) is False


async def test_an_old_acknowledgement_gives_no_credit(hub: Hub, stage: Stage) -> None:
    page = Page(hub)
    page.look_at("stage")
    await page.newest(1)
    page.acknowledge()
    stage.put(tick(1))
    await page.newest(2)
    stage.put(tick(2))

    page.subscriber.acknowledge(1)

    await asyncio.sleep(2 * subscriber_module.INTERVAL_SECONDS)
    assert len(page.messages) == 2
