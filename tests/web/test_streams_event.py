"""This module is the test of one event's page: what it says, where it leads, and what is said where there is no event."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass

import pytest
from django.test import Client

from apps.persistence.encoding import cid_of
from apps.persistence.events import AggregateRef, StoredEvent
from apps.persistence.store import EVENTS, Outgoing, Store, append_at, find_version, store_message

from .conftest import Home, Visitor
from .stream_stage import ORDER, append_story, delete, fill, make_stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the module's server holds."""

    story: list[StoredEvent]


@pytest.fixture(scope="module")
def kept() -> dict[str, Made]:
    return {}


@pytest.fixture
def made(home: Home, kept: dict[str, Made]) -> Made:
    """A story in CIM-EVENTS at 1 to 3, and PLAIN with messages of every kind at 1 to 10, of which 4 to 6 are deleted."""

    async def make(store: Store) -> Made:
        story = await append_story(store)
        await make_stream(store, "PLAIN")
        await fill(store, "PLAIN", 1, data=b'{"amount": 9007199254740993, "n": 1.10}', Content_Type="application/json", Trace="<b>&")
        await fill(store, "PLAIN", 1, data=b"\x00\xff\x10", Nothing="")
        await fill(store, "PLAIN", 1, data=json.dumps([{"text": "x" * 60}] * 1000).encode())
        await fill(store, "PLAIN", 7)
        await delete(store, "PLAIN", 4, 5, 6)
        return Made(story=story)

    if "made" not in kept:
        kept["made"] = home.run(make)
    return kept["made"]


def page(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.content[:2000]
    return response.content.decode()


def words(text: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_numbers_of_a_payload_are_shown_exactly(viewer: Visitor, made: Made) -> None:
    text = words(page(viewer, "/streams/PLAIN/1/"))

    assert "amount 9007199254740993" in text
    assert "n 1.10" in text
    assert "Read as JSON, declared as JSON: report" in text


def test_bytes_that_nobody_reads_are_shown_with_the_report(viewer: Visitor, made: Made) -> None:
    text = words(page(viewer, "/streams/PLAIN/2/"))

    assert "00000000 00 ff 10" in text
    assert "MessagePack not tried: no decoder for it is installed" in text


def test_a_large_payload_is_loaded_whole_only_when_asked_for(viewer: Visitor, made: Made) -> None:
    cut, whole = page(viewer, "/streams/PLAIN/3/"), page(viewer, "/streams/PLAIN/3/?full=1")

    assert 'href="?full=1">Load all' in cut
    assert len(cut) < 120_000
    assert whole.count("x" * 60) == 1000
    assert "Load all" not in whole


def test_headers_are_escaped(viewer: Visitor, made: Made) -> None:
    assert "&lt;b&gt;&amp;" in page(viewer, "/streams/PLAIN/1/headers/")
    assert "Its writer gave no headers." in page(viewer, "/streams/PLAIN/3/headers/")


def test_the_chain_tab_compares_the_bytes_with_the_id_and_shows_the_neighbours(viewer: Visitor, made: Made) -> None:
    placed, _, paid = made.story

    text = page(viewer, "/streams/CIM-EVENTS/3/chain/")

    assert text.count(f'data-copy="{paid.cid}"') >= 2
    assert f'data-copy="{placed.cid}"' in text
    assert "Equal" in text
    assert re.findall(r'<span class="identity">(v\d)</span>', text) == ["v2", "v1"]


def test_an_event_whose_content_was_changed_says_what_it_should_be(viewer: Visitor, home: Home, made: Made) -> None:
    ref = AggregateRef("sales", "order", "forged")

    async def forge(store: Store) -> int:
        message = await find_version(store, ORDER, 1)
        assert message is not None
        block = message.data.replace(b"o1", b"o9")
        subject = "cim.events.sales.order.o9.placed.v1"
        ack = await store_message(store.connection, Outgoing(subject, block, {"Nats-Msg-Id": str(cid_of(message.data + b"x"))}))
        return ack.sequence

    sequence = home.run(forge)
    text = page(viewer, f"/streams/CIM-EVENTS/{sequence}/chain/")

    assert "Content changed." in words(text).replace(" .", ".")
    assert "Differs" in text
    assert str(ref) not in text


def test_the_causes_of_an_event_are_a_tree(viewer: Visitor, made: Made) -> None:
    text = page(viewer, "/streams/CIM-EVENTS/2/lineage/")

    rows = re.findall(r'data-depth="(\d)"></span><a href="/streams/CIM-EVENTS/(\d)/lineage/">([\w.]+)</a>(?: <span[^>]*>([^<]*))?', text)
    assert rows == [
        ("0", "1", "order.placed", "its cause"),
        ("1", "2", "payment.captured", "this event"),
        ("2", "3", "order.paid", "caused by it"),
    ]
    assert "The index of events has not reached this event yet" in text


def test_an_event_leads_to_its_neighbours_in_the_stream_and_in_its_aggregate(viewer: Visitor, made: Made) -> None:
    text = page(viewer, "/streams/CIM-EVENTS/3/raw/")

    assert re.search(r'rel="prev" href="/streams/CIM-EVENTS/2/raw/"', text)
    assert re.search(r'data-key="\{"[^>]* href="/streams/CIM-EVENTS/1/raw/"', text)
    assert "This is the newest version." in text


def test_neighbours_lie_beyond_a_gap(viewer: Visitor, made: Made) -> None:
    text = page(viewer, "/streams/PLAIN/7/")

    assert 'rel="prev" href="/streams/PLAIN/3/decoded/"' in text
    assert 'rel="next" href="/streams/PLAIN/8/decoded/"' in text


def test_the_stored_bytes_are_a_download_that_no_browser_shows(viewer: Visitor, made: Made) -> None:
    response = viewer.get("/streams/PLAIN/2/block")

    assert response.content == b"\x00\xff\x10"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == 'attachment; filename="PLAIN-2.block"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_deleted_sequence_says_between_which_events_it_lay(viewer: Visitor, made: Made) -> None:
    text = page(viewer, "/streams/PLAIN/5/", status=404)

    assert "4 – 6 are missing (deleted, purged or expired), between 3 and 7." in words(text)
    assert 'href="/streams/PLAIN/3/"' in text
    assert 'href="/streams/PLAIN/7/"' in text


def test_a_sequence_beyond_the_end_says_where_the_stream_ends(viewer: Visitor, made: Made) -> None:
    assert "The stream ends at 10; nothing has been stored there yet." in words(page(viewer, "/streams/PLAIN/11/", status=404))


def test_a_sequence_before_the_beginning_says_where_it_begins(viewer: Visitor, home: Home) -> None:
    async def make(store: Store) -> None:
        await make_stream(store, "SHORT", max_msgs=3, discard="old")
        await fill(store, "SHORT", 10)

    home.run(make)

    assert "The stream now begins at 8; what lay before is gone" in words(page(viewer, "/streams/SHORT/2/", status=404))


def test_a_sequence_that_is_none_says_what_to_write(viewer: Visitor, made: Made) -> None:
    assert "is no sequence; write a whole number" in page(viewer, "/streams/PLAIN/12a/", status=400)
    assert "is no sequence; write a whole number" in page(viewer, "/streams/PLAIN/0/raw/", status=400)


def test_a_tab_that_does_not_exist_is_no_page(viewer: Visitor, made: Made) -> None:
    assert viewer.get("/streams/PLAIN/1/nonsense/").status_code == 404


def test_an_event_opens_beside_the_list_without_javascript(viewer: Visitor, made: Made) -> None:
    text = page(viewer, "/streams/PLAIN/?show=1&tab=headers")

    assert '<tr id="event-1" data-sequence="1" aria-current="true">' in text
    assert "application/json" in text


def test_a_missing_event_opens_beside_the_list_with_its_reason(viewer: Visitor, made: Made) -> None:
    assert "between 3 and 7" in words(page(viewer, "/streams/PLAIN/?show=5"))


def test_a_mirror_reads_its_events_by_the_layout_of_its_origin(viewer: Visitor, home: Home, made: Made) -> None:
    async def make(store: Store) -> None:
        await make_stream(store, "COPY", mirror={"name": EVENTS.stream})
        async with asyncio.timeout(60):
            copied = 0
            while copied < 3:
                copied = (await store.connection.api("STREAM.INFO.COPY"))["state"]["messages"]
                await asyncio.sleep(0.02)

    home.run(make)
    text = page(viewer, "/streams/COPY/?at=3")

    assert "order.paid" in text
    assert 'data-state="linked"' in text
    assert "mirror of" in text


def test_a_version_whose_previous_is_gone_says_so(viewer: Visitor, home: Home, made: Made) -> None:
    async def make(store: Store) -> int:
        from apps.persistence.events import NewEvent

        ref = AggregateRef("sales", "order", "orphan")
        await append_at(store, ref, 0, [NewEvent(type="placed")])
        (second,) = await append_at(store, ref, 1, [NewEvent(type="paid")])
        copy = second.event.to_block().replace(b"orphan", b"lonely")
        ack = await store_message(
            store.connection, Outgoing("cim.events.sales.order.lonely.paid.v2", copy, {"Nats-Msg-Id": str(cid_of(copy))})
        )
        return ack.sequence

    assert "Version 1 is not in the stream." in page(viewer, f"/streams/CIM-EVENTS/{home.run(make)}/")
