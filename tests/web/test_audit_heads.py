"""The audit pages show the schedules with their last result, and of a stream its heads manifest, which can be taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from django.http import StreamingHttpResponse

from apps.persistence.encoding import cid_of, decode
from apps.persistence.events import now
from apps.persistence.heads import HEADS_BUCKET, find_manifest
from apps.persistence.store import Outgoing, Store, ensure_stream, get_stream, read_batch, store_message
from apps.persistence.work.schedules import Schedule, find_schedule, remove_schedule, set_schedule

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for

STREAM = "CIM-DEMO-TAMPERED"


@pytest.fixture(autouse=True)
def at_work(home: Home, worker: Worker) -> None:
    """The console looks at the demo, and a worker is at it."""


@pytest.fixture
def recorded(auditor: Visitor) -> None:
    """The heads of the stream are recorded."""
    wait_for(auditor, start_run(auditor, f"/runs/new/record-heads/review/?scope=stream&stream={STREAM}"), "Receipt finished")


async def put_failing(store: Store) -> None:
    at = now()
    parameters = {"scope": "stream", "stream": "GONE"}
    await set_schedule(
        store.connection,
        Schedule(name="failing", operation="verify", parameters=parameters, every_seconds=3600, by="olga", set_at=at, next_at=at),
    )


async def remove_failing(store: Store) -> None:
    await remove_schedule(store.connection, "failing")


async def make_anew_without_one(store: Store) -> None:
    """The stream as somebody with full access makes it anew: all of it, but for the events of one aggregate."""
    info = await get_stream(store.connection, STREAM)
    messages = (await read_batch(store.connection, STREAM)).messages
    await store.connection.api(f"STREAM.DELETE.{STREAM}", stream=STREAM)
    await ensure_stream(store.connection, info.config)
    for message in messages:
        if ".sales.order.intact." not in message.subject:
            await store_message(store.connection, Outgoing(message.subject, message.data, {}))


async def forge_manifest(store: Store) -> None:
    """Other bytes behind the record of the manifest, as somebody with full access to the bucket writes them."""
    manifest = await find_manifest(store, STREAM)
    assert manifest is not None
    subject = f"$O.{HEADS_BUCKET}.C.{manifest.cid}"
    await store.connection.api(f"STREAM.PURGE.OBJ_{HEADS_BUCKET}", {"filter": subject}, stream=f"OBJ_{HEADS_BUCKET}")
    await store_message(store.connection, Outgoing(subject, b"forged", {}))


def received(answer: object) -> bytes:
    """The body of a download."""

    async def read_all() -> bytes:
        return b"".join([piece async for piece in cast(AsyncIterator[bytes], cast(StreamingHttpResponse, answer).streaming_content)])

    return asyncio.run(read_all())


def test_console_without_schedules_says_so_and_who_may_set_one(auditor: Visitor) -> None:
    text = read(auditor, "/audit/")

    assert "Nothing is scheduled: streams are verified only when somebody asks." in text
    assert "Needs the operator role." in page(auditor, "/audit/")


def test_schedule_that_is_set_is_listed_with_its_last_result_and_can_be_removed(operator: Visitor, home: Home) -> None:
    form = f"/runs/new/set-schedule/review/?what=record-heads&parameters=scope%3Dstream%0Astream%3D{STREAM}&every=1+day&name=daily"
    wait_for(operator, start_run(operator, form), "Receipt finished")

    wait_for(operator, "/audit/", "Finished CIM-DEMO-TAMPERED: 7 aggregates up to sequence 49.")
    text = page(operator, "/audit/")
    assert 'daily<br><span class="aside">Record heads: <bdi>scope=stream</bdi>' in text
    assert "/runs/new/set-schedule/?what=record-heads&amp;parameters=scope%3Dstream%0Astream%3DCIM-DEMO-TAMPERED" in text
    wait_for(operator, start_run(operator, "/runs/new/remove-schedule/review/?name=daily"), "Receipt finished")
    assert home.run(lambda store: find_schedule(store.connection, "daily")) is None
    assert 'id="schedule-daily"' not in page(operator, "/audit/")


def test_schedule_that_cannot_run_says_why(home: Home, viewer: Visitor) -> None:
    home.run(put_failing)

    wait_for(viewer, "/audit/", "Cannot run GONE holds no chains that this console knows of")
    assert "1 schedule cannot run" in read(viewer, "/")
    home.run(remove_failing)


@pytest.mark.usefixtures("recorded")
def test_manifest_is_shown_and_taken_away_as_it_was_recorded(home: Home, auditor: Visitor, viewer: Visitor) -> None:
    manifest = home.run(lambda store: find_manifest(store, STREAM))

    answer = auditor.get(f"/audit/{STREAM}/heads")
    block = received(answer)

    text = read(viewer, f"/audit/{STREAM}/")
    assert f"{manifest.aggregates} aggregates up to sequence {manifest.sequence}" in text
    assert cid_of(block) == manifest.cid
    assert decode(block)["stream"] == STREAM  # type: ignore[call-overload,index]
    assert answer["Content-Disposition"] == f'attachment; filename="{STREAM}-{manifest.sequence}.heads.cbor"'
    assert viewer.get(f"/audit/{STREAM}/heads").status_code == 403


def test_stream_without_a_manifest_says_so_and_has_none_to_take_away(auditor: Visitor) -> None:
    assert "None is recorded yet." in read(auditor, "/audit/CIM-CONSOLE/")
    answer = auditor.get("/audit/CIM-CONSOLE/heads")
    assert answer.status_code == 404
    assert "No heads of CIM-CONSOLE are recorded yet; record-heads does that." in answer.content.decode()


@pytest.mark.usefixtures("recorded")
def test_recording_that_misses_an_aggregate_is_an_alarm_on_the_page_of_the_stream(home: Home, auditor: Visitor, viewer: Visitor) -> None:
    home.run(make_anew_without_one)

    wait_for(auditor, start_run(auditor, f"/runs/new/record-heads/review/?scope=stream&stream={STREAM}"), "Receipt finished")

    assert "1 aggregate is not as the manifest names it. The run that found it" in read(viewer, f"/audit/{STREAM}/")


@pytest.mark.usefixtures("recorded")
def test_manifest_whose_bytes_were_changed_is_not_handed_out(home: Home, auditor: Visitor) -> None:
    home.run(forge_manifest)

    answer = auditor.get(f"/audit/{STREAM}/heads")

    assert answer.status_code == 502
    assert "is something else: it was changed after it was recorded" in " ".join(answer.content.decode().split())
