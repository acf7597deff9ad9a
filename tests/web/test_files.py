"""The files pages: what there is, downloads that are streamed, uploads that reach the workers, and who may do which."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from apps.files.upload import usual_name
from apps.persistence.errors import ContentDamaged
from apps.persistence.store import Store, drop_chunks, ensure_home, open_writer
from apps.persistence.transfer import FILES_BUCKET, FileKind, Made, ensure_files, find_file, new_nuid
from apps.persistence.transfer.evidence_texts import VERIFIERS

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for

CONTENT = bytes(range(256)) * 20_000
pytestmark = pytest.mark.django_db


async def write(store: Store, name: str, data: bytes = CONTENT, kind: FileKind = FileKind.EXPORT) -> str:
    """A file as a run writes it; its nuid."""
    await ensure_files(store.connection)
    writer = await open_writer(store.connection, FILES_BUCKET, new_nuid())
    await writer.write(data)
    made = Made(kind=kind, source="CIM-EVENTS 1 – 5", by="olga", run="r-1", events=5)
    return (await writer.finish(name, made.metadata())).nuid


async def stored(store: Store, name: str) -> Any:
    return await find_file(store.connection, name)


def body(response: Any) -> bytes:
    """All of a streamed answer."""

    async def collect() -> bytes:
        pieces = cast(AsyncIterator[bytes], cast(StreamingHttpResponse, response).streaming_content)
        return b"".join([piece async for piece in pieces])

    return async_to_sync(collect)()


def upload(client: Client, name: str, data: bytes) -> HttpResponse:
    return cast(HttpResponse, client.post("/files/upload/", {"file": SimpleUploadedFile(name, data)}, follow=True))


def test_page_without_files_says_how_to_make_one(home: Home, viewer: Visitor) -> None:
    assert "No files yet" in read(viewer, "/files/")


def test_page_names_each_file_with_what_it_is(home: Home, auditor: Visitor) -> None:
    home.run(write, "listed.jsonl")

    text = read(auditor, "/files/")

    assert "listed.jsonl 5.1 MB export CIM-EVENTS 1 – 5 5" in text
    assert 'href="/files/listed.jsonl/download"' in page(auditor, "/files/")
    assert 'href="/runs/r-1/"' in page(auditor, "/files/")


def test_each_kind_of_file_leads_to_what_can_be_done_with_it(home: Home, operator: Visitor, auditor: Visitor) -> None:
    home.run(write, "orders.backup", b"1", FileKind.BACKUP)
    home.run(write, "orders.archive.car", b"1", FileKind.ARCHIVE)

    text = page(operator, "/files/")

    assert 'href="/runs/new/restore/?file=orders.backup"' in text
    assert 'href="/runs/new/restore-archive/?file=orders.archive.car"' in text
    assert "import/?file=orders" not in text
    assert "/runs/new/restore" not in page(auditor, "/files/")


def test_page_of_a_stream_leads_to_its_backup_and_one_with_chains_to_its_archive(home: Home, operator: Visitor) -> None:
    home.run(write, "any.jsonl")
    home.run(lambda store: ensure_home(store.connection))

    events, bucket = page(operator, "/streams/CIM-EVENTS/"), page(operator, "/streams/OBJ_cim-files/")

    assert 'href="/runs/new/backup/?stream=CIM-EVENTS"' in events
    assert 'href="/runs/new/archive/?stream=CIM-EVENTS"' in events
    assert "/runs/new/archive/" not in bucket


def test_limit_of_a_backup_is_one_of_bytes(home: Home, operator: Visitor) -> None:
    home.run(lambda store: ensure_home(store.connection))

    assert "At most, bytes a second" in read(operator, "/runs/new/backup/review/?stream=CIM-EVENTS")
    assert "events a second" not in read(operator, "/runs/new/backup/review/?stream=CIM-EVENTS")


def test_download_is_the_file_byte_for_byte_with_its_size_and_digest(home: Home, auditor: Visitor) -> None:
    home.run(write, "whole.car")

    response = auditor.get("/files/whole.car/download")

    assert response.headers["Content-Disposition"] == 'attachment; filename="whole.car"'
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert response.headers["Repr-Digest"].startswith("sha-256=:")
    assert body(response) == CONTENT


def test_download_of_a_file_that_loses_chunks_meanwhile_breaks_off(home: Home, auditor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.display.object_download.CHECKED_FIRST_BYTES", 1_000_000)
    nuid = home.run(write, "torn.car")
    response = auditor.get("/files/torn.car/download")
    home.run(lambda store: drop_chunks(store.connection, FILES_BUCKET, nuid))

    with pytest.raises(ContentDamaged, match="of its 5,120,000 bytes are there; its chunks are gone"):
        body(response)


def test_download_of_a_file_that_is_not_there_says_so(home: Home, auditor: Visitor) -> None:
    home.run(write, "some.car")

    assert "There is no file 'none.car'" in read(auditor, "/files/none.car/download", 404)


def test_viewer_sees_files_and_downloads_none(home: Home, viewer: Visitor) -> None:
    home.run(write, "seen.car")

    assert "seen.car" in read(viewer, "/files/")
    assert viewer.get("/files/seen.car/download").status_code == 403


def test_upload_reaches_the_bucket_that_workers_read_byte_for_byte(home: Home, operator: Visitor) -> None:
    home.run(write, "other.car")

    response = upload(operator, "my orders (2).jsonl", CONTENT)

    file = home.run(stored, "my-orders-2-.jsonl")
    assert (file.stored.size, file.stored.digest) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert (file.kind, file.source, file.by) == ("upload", "my orders (2).jsonl", "operator")
    assert "my-orders-2-.jsonl is here, 5.1 MB" in response.content.decode()


def test_upload_under_a_name_that_is_taken_keeps_both(home: Home, operator: Visitor) -> None:
    home.run(write, "twice.car", b"a run's")

    upload(operator, "twice.car", b"a person's")

    assert home.run(stored, "twice.car").stored.size == len(b"a run's")
    assert home.run(stored, "twice-2.car").stored.size == len(b"a person's")


def test_upload_that_is_too_large_is_refused_with_the_setting(home: Home, operator: Visitor, settings: LazySettings) -> None:
    home.run(write, "any.car")
    settings.CIM_UPLOAD_LIMIT = 2_000_000

    response = upload(operator, "large.car", CONTENT)

    assert "large.car has 5.1 MB, and at most 2 MB are taken (CIM_UPLOAD_MEGABYTES)" in response.content.decode()
    assert home.run(stored, "large.car") is None


def test_upload_without_a_file_says_so(home: Home, operator: Visitor) -> None:
    home.run(write, "any.car")

    assert "choose one first" in operator.post("/files/upload/", follow=True).content.decode()


def test_auditor_may_not_upload(home: Home, auditor: Visitor) -> None:
    assert auditor.post("/files/upload/", {"file": SimpleUploadedFile("a", b"b")}).status_code == 403


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("Ωμέγα.car", "car"),
        ("a b.jsonl", "a-b.jsonl"),
        ("..", "upload"),
        ("", "upload"),
        ("a..b", "a-.b"),
    ],
)
def test_names_of_uploads_become_names_that_a_file_can_have(given: str, kept: str) -> None:
    assert usual_name(given) == kept


def test_stream_and_aggregate_lead_to_a_filled_export(worker: Worker, home: Home, auditor: Visitor) -> None:
    query = page(auditor, "/streams/CIM-EVENTS/?subject=cim.events.sales.%3E&from=5&to=20")
    aggregate = page(auditor, reverse("aggregates:aggregate", args=["sales", "order", "clearance-order"]))

    assert "/runs/new/export/?stream=CIM-EVENTS&amp;subject=cim.events.sales.%3E&amp;first=5&amp;last=20" in query
    assert "/runs/new/export/?stream=CIM-EVENTS&amp;aggregate=sales.order.clearance-order" in aggregate


def test_export_is_reviewed_run_and_downloaded(worker: Worker, home: Home, auditor: Visitor) -> None:
    run = start_run(auditor, "/runs/new/export/review/?stream=CIM-EVENTS&aggregate=sales.order.clearance-order&format=jsonl")

    text = wait_for(auditor, run, "Wrote")

    assert "sales.order.clearance-order.jsonl" in text
    assert body(auditor.get("/files/sales.order.clearance-order.jsonl/download")).startswith(b'{"source":{"stream":"CIM-EVENTS"')


def test_verifiers_of_evidence_are_here_to_take_away(home: Home, viewer: Visitor) -> None:
    assert "evidence_verifier.py" in read(viewer, "/files/")
    for path in VERIFIERS:
        taken = viewer.get(f"/files/verifiers/{path.name}")
        assert taken.content == path.read_bytes()
        assert taken["Content-Disposition"] == f'attachment; filename="{path.name}"'


def test_verifier_that_is_none_is_not_found(home: Home, viewer: Visitor) -> None:
    assert viewer.get("/files/verifiers/other.py").status_code == 404
