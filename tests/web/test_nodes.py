"""This module is the tests of the nodes page: links up and down, what waits and how it is released, and where histories disagree."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from apps import connection
from apps.nodes.live import nodes
from apps.persistence.events import AggregateRef, NewEvent, Scope
from apps.persistence.store import ConnectionSettings, EventBlock, Store, append, append_blocks, ensure_home, head_of, load, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.sync import MANUAL, EventEnvelope, Link, ensure_gathered, gather, gathered_of

from .conftest import Home, Visitor, home_settings
from .working_console import Worker, page, read, start_run, wait_for, wait_until

NOTE = AggregateRef("notes", "note", "n-1")
LINK = Link(name="berlin", node="laptop", layer=Scope.CLUSTER)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedServer, EmbeddedServer]]:
    """This node's server and the one above, which has gathered what another node wrote after the same first event."""
    with EmbeddedServer(tmp_path_factory.mktemp("laptop")) as here, EmbeddedServer(tmp_path_factory.mktemp("berlin")) as above:
        asyncio.run(_write(here, above))
        yield here, above


async def _write(here: EmbeddedServer, above: EmbeddedServer) -> None:
    async with open_store(here.settings("worker")) as store, open_store(above.settings("worker")) as there:
        await ensure_home(store.connection)
        await ensure_home(there.connection)
        await ensure_gathered(there.connection)
        await _say(store, "begin")
        begin = EventBlock.read((await load(store, NOTE)).events[0].event.to_block())
        await append_blocks(there, [begin])  # the other node is a copy of this one that went its own way
        await _say(there, "<b>theirs</b>")
        theirs = [EventBlock.read(one.event.to_block()) for one in (await load(there, NOTE)).events]
        await gather(there.connection, "phone", theirs)
        await _say(store, "ours", by_hand=True)


async def _say(store: Store, text: str, *, by_hand: bool = False) -> None:
    event = NewEvent(type="written", payload={"text": text}, actor="<i>ada</i>")
    envelope = EventEnvelope(event=event, policy=MANUAL) if by_hand else EventEnvelope(event=event)
    await append(store, await head_of(store, NOTE), [envelope.to_event()])


@pytest.fixture
def laptop(servers: tuple[EmbeddedServer, EmbeddedServer], settings: LazySettings) -> Iterator[EmbeddedServer]:
    """The console of this node, whose link leads to the server above."""
    here, above = servers
    settings.CIM_HOME, settings.CIM_NODE = home_settings(here), LINK.node
    settings.CIM_OBSERVED, settings.CIM_LINKS = {"berlin": home_settings(above)}, {"berlin": "cluster"}
    connection.stop()
    yield here
    connection.stop()


@pytest.mark.usefixtures("home")
def test_node_without_a_link_says_how_to_make_one(viewer: Visitor) -> None:
    text = read(viewer, "/nodes/")

    assert "No link leads from here" in text
    assert "CIM_NODE=laptop CIM_LINKS=berlin=cluster" in text


def test_link_is_followed_from_not_begun_to_its_events_released_and_its_conflict(
    laptop: EmbeddedServer, servers: tuple[EmbeddedServer, EmbeddedServer], viewer: Visitor, operator: Visitor
) -> None:
    assert "No worker has it in hand, so nothing travels" in read(viewer, "/nodes/")

    with Worker(laptop, link=LINK, above=servers[1].settings("worker")):
        up = wait_for(viewer, "/nodes/", "for a person")
        wait_for(viewer, "/nodes/", "Conflicts")
        assert "To berlin layer Cluster Up" in up
        address = re.search(r'href="(/runs/new/release/\?[^"]+)"', page(operator, "/nodes/"))
        assert address is not None
        given = address[1].replace("&amp;", "&").replace("/release/?", "/release/review/?")
        run = start_run(operator, given)
        wait_for(operator, run, "may go to berlin")
        wait_until(lambda: Home(servers[1]).run(_texts) == ["begin", "ours"], "the released event never arrived")
        wait_until(lambda: "for a person" not in read(viewer, "/nodes/"), "the event was shown as waiting")

    text = page(viewer, "/nodes/")
    assert "phone" in text
    assert "&lt;i&gt;ada&lt;/i&gt;" in text
    assert "<i>ada" not in text
    wait_for(viewer, "/nodes/", "No worker has it in hand")


def test_link_to_a_server_that_is_away_says_why_and_that_nothing_is_lost(laptop: EmbeddedServer, viewer: Visitor) -> None:
    nobody_there = ConnectionSettings(url="nats://127.0.0.1:9")

    with Worker(laptop, link=LINK, above=nobody_there):
        wait_for(viewer, "/nodes/", "No NATS server answers at nats://127.0.0.1:9")
        assert "Nothing is lost; it goes on where it was." in read(viewer, "/nodes/")


async def _texts(store: Store) -> list[object]:
    return [one.stored.event.payload["text"] for one in await gathered_of(store, NOTE) if one.node == "laptop"]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ("link=paris&until=2", "paris is not one of the available choices"),
        ("link=berlin&until=0", "until is 0; it must be at least 1"),
        ("link=berlin&until=1", "Nothing waits on berlin up to sequence 1 of CIM-EVENTS"),
    ],
)
def test_release_that_cannot_be_is_refused_with_the_reason(laptop: EmbeddedServer, operator: Visitor, given: str, refusal: str) -> None:
    assert refusal in read(operator, f"/runs/new/release/review/?{given}", status=422)


def test_live_part_shows_every_link(laptop: EmbeddedServer) -> None:
    async def first(store: Store) -> int:
        frames = nodes(store, "")
        found = await anext(frames)
        await frames.aclose()
        return len(found)

    assert connection.ask(first) == 2
