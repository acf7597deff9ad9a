"""The pages of object stores: their objects, the digest hashed again, downloads, and records that say what is not so."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.http import StreamingHttpResponse

from apps.connection import ask
from apps.persistence.errors import ContentDamaged
from apps.persistence.store.embedded import EmbeddedServer
from apps.storage.objects import read_objects

from .conftest import Home, Visitor
from .storage_stage import HOSTILE, consumers, make_objects, put_object
from .working_console import page, read

pytestmark = pytest.mark.django_db
CONTENT = [b"a" * 100_000, b"b" * 50_000]
DIGEST = sha256(b"".join(CONTENT)).hexdigest()


@pytest.fixture(scope="module")
def full_server(home_server: EmbeddedServer) -> EmbeddedServer:
    """A store of objects, some of whose records are not to be trusted."""
    home = Home(home_server)
    home.run(make_objects, "reports")
    home.run(make_objects, "nothing")
    home.run(make_objects, "broken")
    home.run(put_object, "reports", "year.pdf", CONTENT, metadata={"by": "olga"}, description="The year")
    home.run(put_object, "reports", "torn.pdf", CONTENT, size=10)
    home.run(put_object, "reports", "forged.pdf", [b"x"], digest=f"SHA-256={urlsafe_b64encode(sha256(b'y').digest()).decode()}")
    home.run(put_object, "broken", "purged.pdf", [], size=150_000)
    home.run(put_object, "broken", "half.pdf", CONTENT, size=300_000)
    home.run(put_object, "reports", HOSTILE, [b"1"], metadata={"<b>": "<i>"})
    home.run(put_object, "reports", "a/b c.txt", [b"1"], digest="")
    home.run(put_object, "reports", "link", [], options={"link": {"bucket": "reports", "name": "year.pdf"}}, nuid="")
    home.run(put_object, "reports", "gone", [], deleted=True)
    home.run(put_object, "reports", "odd", [], nuid="a.>")
    home.run(put_object, "reports", "huge", [b"1"], size=3_000_000_000)
    return home_server


@pytest.fixture
def full(full_server: EmbeddedServer, home: Home) -> Home:
    return home


def address(name: str, view: str = "object", store: str = "reports") -> str:
    return f"/storage/objects/{store}/{view}?record={urlsafe_b64encode(name.encode()).decode()}"


def body(response: Any) -> bytes:
    """All of a streamed answer."""

    async def collect() -> bytes:
        pieces = cast(AsyncIterator[bytes], cast(StreamingHttpResponse, response).streaming_content)
        return b"".join([piece async for piece in pieces])

    return async_to_sync(collect)()


def test_list_names_each_object_and_marks_what_is_none(full: Home, viewer: Visitor) -> None:
    text = read(viewer, "/storage/objects/reports/")

    assert "year.pdf The year 150 KB 2" in text
    assert "link link – –" in text
    assert "gone deleted – –" in text
    assert "odd unreadable record – –" in text


def test_store_and_its_count_stand_in_the_list_of_buckets(full: Home, viewer: Visitor) -> None:
    assert "reports objects 9" in read(viewer, "/storage/?kind=objects")


def test_head_says_that_records_are_counted(full: Home, viewer: Visitor) -> None:
    assert "9 records of objects, deleted and unreadable ones included" in read(viewer, "/storage/objects/reports/")


def test_object_shows_what_its_writer_says_of_it(full: Home, viewer: Visitor) -> None:
    text = read(viewer, address("year.pdf"))

    assert "150,000 bytes" in text
    assert "by olga" in text
    assert "reports/year.pdf" in read(viewer, address("link"))


def test_digest_is_hashed_again_and_found_right(full: Home, auditor: Visitor) -> None:
    text = read(auditor, address("year.pdf", "check"))

    assert "Intact. 150,000 bytes in 2 chunks were read just now and hash to the digest of the record." in text
    assert full.run(consumers) == 0


def test_bytes_that_are_others_than_the_record_says_are_named(full: Home, auditor: Visitor) -> None:
    assert "It has 150,000 bytes, and its record says 10." in read(auditor, address("torn.pdf", "check"))
    assert f"Its bytes hash to {sha256(b'x').hexdigest()}, and its record says" in read(auditor, address("forged.pdf", "check"))


def test_object_without_digest_is_not_called_intact(full: Home, auditor: Visitor) -> None:
    assert "the record gives no digest to compare them with" in read(auditor, address("a/b c.txt", "check"))


def test_check_and_download_need_an_auditor(full: Home, viewer: Visitor) -> None:
    assert "Check digest Needs the auditor role." in read(viewer, address("year.pdf"))
    assert viewer.get(address("year.pdf", "check")).status_code == 403
    assert viewer.get(address("year.pdf", "download")).status_code == 403


def test_download_hands_out_the_bytes_with_their_digest(full: Home, auditor: Visitor) -> None:
    answer = auditor.get(address("year.pdf", "download"))

    assert answer.headers["Content-Length"] == "150000"
    assert sha256(body(answer)).hexdigest() == DIGEST


def test_damaged_object_is_not_handed_out_and_the_page_says_why(full: Home, auditor: Visitor) -> None:
    assert "purged.pdf is not handed out: only 0 of its 150,000 bytes are there" in read(
        auditor, address("purged.pdf", "download", "broken"), 502
    )
    assert "forged.pdf is not handed out: its bytes hash to" in read(auditor, address("forged.pdf", "download"), 502)
    assert "torn.pdf is not handed out: it has more than the 10 bytes" in read(auditor, address("torn.pdf", "download"), 502)


@pytest.mark.parametrize(("store", "name"), [("reports", "forged.pdf"), ("broken", "half.pdf")])
def test_damage_of_a_large_object_breaks_its_download(
    full: Home, auditor: Visitor, monkeypatch: pytest.MonkeyPatch, store: str, name: str
) -> None:
    monkeypatch.setattr("apps.display.object_download.CHECKED_FIRST_BYTES", 0)
    answer = auditor.get(address(name, "download", store))

    with pytest.raises(ContentDamaged):
        body(answer)


def test_large_object_is_handed_out_while_it_is_read(full: Home, auditor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.display.object_download.CHECKED_FIRST_BYTES", 0)

    assert sha256(body(auditor.get(address("year.pdf", "download")))).hexdigest() == DIGEST


def test_download_of_what_is_too_large_says_how_to_take_it(full: Home, auditor: Visitor) -> None:
    assert "It is too large to be hashed while you wait" in read(auditor, address("huge"))
    assert "nats object get reports" in read(auditor, address("huge", "download"), 400)


def test_object_is_opened_by_its_whole_name(full: Home, viewer: Visitor) -> None:
    assert "year.pdf" in viewer.get("/storage/objects/reports/?name=year.pdf", follow=True).content.decode()


def test_hostile_names_are_shown_as_text(full: Home, viewer: Visitor) -> None:
    listed, shown = page(viewer, "/storage/objects/reports/"), page(viewer, address(HOSTILE))

    assert HOSTILE not in listed + shown
    assert "&lt;script&gt;" in shown
    assert "<i>" not in shown.partition("Metadata")[2]


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("/storage/objects/nowhere/", "There is no object store 'nowhere'"),
        ("/storage/objects/reports/object?record=bm9wZQ==", "reports holds no object 'nope'"),
        ("/storage/objects/reports/object?record=a.*", "reports holds no object 'a.*'"),
        ("/storage/objects/reports/object", "reports holds no object ''"),
    ],
)
def test_what_is_not_there_is_told_apart(full: Home, viewer: Visitor, where: str, sentence: str) -> None:
    assert sentence in read(viewer, where, 404)


def test_empty_store_says_how_to_fill_it(full: Home, viewer: Visitor) -> None:
    assert "No objects yet" in read(viewer, "/storage/objects/nothing/")


def test_pages_of_objects_follow_each_other(full: Home, viewer: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.storage.objects.PAGE_OBJECTS", 4)

    first = ask(read_objects, "reports", None)
    second = ask(read_objects, "reports", first.older)

    assert [row.name for row in first.rows] == ["huge", "odd", "gone", "link"]
    assert [row.name for row in second.rows][:2] == ["a/b c.txt", HOSTILE]
