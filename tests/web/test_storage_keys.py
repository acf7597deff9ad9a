"""The pages of key-value buckets: which there are, their keys by prefix, a key with its history, and what is missing or hostile."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.connection import ask
from apps.persistence.encoding import encode
from apps.persistence.store import kv_delete
from apps.persistence.store.embedded import EmbeddedServer
from apps.storage.buckets import list_buckets
from apps.storage.keys import KeyQuery, read_keys
from apps.storage.revisions import parse_ttl
from apps.storage.shown import compare_bytes

from .conftest import Home, Visitor
from .storage_stage import HOSTILE, consumers, make_bucket, put, put_many
from .working_console import page, read

pytestmark = pytest.mark.django_db
MANY = 12_000
LONG = "k" * 900


@pytest.fixture(scope="module")
def full_server(home_server: EmbeddedServer) -> EmbeddedServer:
    """A bucket of settings, and one with more keys than are put in order of their names."""
    home = Home(home_server)
    home.run(make_bucket, "settings", max_age=3_600_000_000_000, allow_msg_ttl=True, description="What the shop does")
    home.run(put, "settings", "shop.currency", b'{"code": "EUR", "digits": 2}')
    home.run(put, "settings", "shop.currency", b'{"code": "USD", "digits": 2}')
    home.run(put, "settings", "shop.name", b"Books & More")
    home.run(put, "settings", "shop.logo", bytes(range(200, 256)))
    home.run(put, "settings", "shop.block", encode({"a": 1}))
    home.run(put, "settings", "short.lived", b"1", Nats_TTL="90s")
    home.run(put, "settings", HOSTILE, b"<img src=x onerror=alert(1)>")
    home.run(put, "settings", "gone.key", b"1")
    home.run(kv_delete_of, "settings", "gone.key")
    home.run(make_bucket, "many", history=2)
    home.run(put_many, "many", MANY)
    home.run(put, "many", "part-3.k000003", b"again")
    home.run(make_bucket, "nothing")
    home.run(make_bucket, "long")
    home.run(put, "long", LONG, b"1")
    home.run(make_bucket, "", subjects=["odd.>"])
    home.run(make_bucket, "posing", subjects=["posing.>"])
    return home_server


async def kv_delete_of(store: object, bucket: str, key: str) -> None:
    await kv_delete(store.connection, bucket, key)  # type: ignore[attr-defined]


@pytest.fixture
def full(full_server: EmbeddedServer, home: Home) -> Home:
    return home


def test_list_names_every_bucket_with_what_it_keeps(full: Home, viewer: Visitor) -> None:
    text = read(viewer, "/storage/")

    assert "4 key-value buckets and 0 object stores" in text
    assert "settings What the shop does keys 7" in text
    assert "1 h per key" in text
    assert 'href="/storage/kv/many/"' in page(viewer, "/storage/")


def test_stream_that_is_only_called_like_a_bucket_is_none(full: Home, viewer: Visitor) -> None:
    assert "bucket-KV_posing" not in page(viewer, "/storage/")
    assert "KV_posing is a stream and no bucket: it holds posing.>, not $KV.posing.>." in read(viewer, "/storage/kv/posing/", 404)


def test_filter_that_leaves_nothing_says_what_was_asked(full: Home, viewer: Visitor) -> None:
    assert "None of 4 buckets has “zzz” in its name and holds objects" in read(viewer, "/storage/?q=zzz&kind=objects")


def test_few_keys_stand_in_the_order_of_their_names(full: Home, viewer: Visitor) -> None:
    text = read(viewer, "/storage/kv/settings/")

    assert "7, by name" in text
    assert text.index("shop.block") < text.index("shop.currency") < text.index("shop.logo")


def test_long_key_is_cut_and_its_title_holds_the_whole(full: Home, viewer: Visitor) -> None:
    html = page(viewer, "/storage/kv/long/")

    assert f'title="{LONG}"' in html
    assert f">{LONG[:119]}…</a>" in html


def test_prefix_may_end_in_the_middle_of_a_word(full: Home, viewer: Visitor) -> None:
    text = read(viewer, "/storage/kv/settings/?prefix=shop.l")

    assert "1 that begin with shop.l , by name" in text
    assert "shop.name" not in text


def test_deleted_key_is_marked_as_such(full: Home, viewer: Visitor) -> None:
    (row,) = ask(read_keys, "settings", KeyQuery(prefix="gone")).rows

    assert (row.number, row.operation) == (9, "delete")
    assert "The key was deleted; the bucket keeps the mark, and the revisions before it." in read(
        viewer, "/storage/kv/settings/key?key=gone.key"
    )


def test_value_with_a_time_of_its_own_expires_sooner_than_the_bucket_has_it(full: Home, viewer: Visitor) -> None:
    text = read(viewer, "/storage/kv/settings/key?key=short.lived")

    assert "1 min" in text.partition("to live")[0]


def test_many_keys_stand_by_their_last_change_and_each_once(full: Home, viewer: Visitor) -> None:
    first = ask(read_keys, "many", KeyQuery())
    second = ask(read_keys, "many", KeyQuery(before=first.older))

    assert not first.by_name
    assert [row.key for row in first.rows[:2]] == ["part-3.k000003", f"part-9.k{MANY - 1:06}"]
    assert len({row.key for row in (*first.rows, *second.rows)}) == 100


def test_last_page_by_change_leaves_out_what_a_key_held_before(full: Home, viewer: Visitor) -> None:
    last = ask(read_keys, "many", KeyQuery(before=11))

    assert [row.number for row in last.rows] == [10, 9, 8, 7, 6, 5, 3, 2, 1]
    assert last.older is None


def test_prefix_narrows_many_keys_to_a_list_by_name(full: Home, viewer: Visitor) -> None:
    text = read(viewer, "/storage/kv/many/?prefix=part-7.k00&page=2")

    assert "1,000 that begin with part-7.k00 , by name" in text
    assert "51 – 100 of 1,000" in text


def test_key_that_is_named_whole_is_found_among_many(full: Home, viewer: Visitor) -> None:
    found = ask(read_keys, "many", KeyQuery(prefix="part-4.k000004"))

    assert [row.key for row in found.rows] == ["part-4.k000004"]


def test_pages_make_no_consumer(full: Home, viewer: Visitor) -> None:
    page(viewer, "/storage/kv/many/")
    page(viewer, "/storage/kv/many/key?key=part-3.k000003")
    page(viewer, "/storage/")

    assert full.run(consumers) == 0


def test_key_shows_its_value_and_history(full: Home, viewer: Visitor) -> None:
    text = read(viewer, "/storage/kv/settings/key?key=shop.currency")

    assert 'code "USD"' in text
    assert "2 revisions kept of at most 5" in text


def test_earlier_revision_can_be_read(full: Home, viewer: Visitor) -> None:
    assert 'code "EUR"' in read(viewer, "/storage/kv/settings/key?key=shop.currency&revision=1")


def test_two_revisions_are_compared_field_by_field(full: Home, viewer: Visitor) -> None:
    text = read(viewer, "/storage/kv/settings/key?key=shop.currency&older=2&newer=1")

    assert "Revision 1 and 2 1 difference" in text
    assert '- "code": "EUR", + "code": "USD", changed' in text.replace("  ", " ")


def test_text_block_and_bytes_are_each_shown_as_what_they_are(full: Home, viewer: Visitor) -> None:
    assert "Books & More" in read(viewer, "/storage/kv/settings/key?key=shop.name")
    assert "Read as DAG-CBOR" in read(viewer, "/storage/kv/settings/key?key=shop.block")
    assert "00000000 c8 c9 ca" in read(viewer, "/storage/kv/settings/key?key=shop.logo")


def test_hostile_key_and_value_are_shown_as_text(full: Home, viewer: Visitor) -> None:
    listed, shown = page(viewer, "/storage/kv/settings/"), page(viewer, f"/storage/kv/settings/key?key={HOSTILE}")

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in listed
    assert HOSTILE not in listed + shown
    assert "<img src=x" not in shown


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/storage/kv/nowhere/", 404, "There is no key-value bucket 'nowhere'"),
        ("/storage/kv/settings/key?key=no.such", 404, "settings holds no key 'no.such'"),
        ("/storage/kv/settings/key?key=shop.*", 400, "is no key"),
        ("/storage/kv/settings/key?key=", 400, "is no key"),
        ("/storage/kv/settings/?prefix=a..b", 400, "is no key"),
        ("/storage/kv/settings/key?key=shop.name&revision=1", 200, "Revision 1 of shop.name is not kept any more"),
        ("/storage/kv/settings/key?key=shop.name&older=1&newer=3", 200, "Revision 1 of this key is not kept"),
        ("/storage/kv/nothing/", 200, "No keys yet"),
        ("/storage/kv/settings/?prefix=zzz", 200, "None of 7 keys begins with zzz"),
    ],
)
def test_what_is_not_there_is_told_apart(full: Home, viewer: Visitor, address: str, status: int, sentence: str) -> None:
    assert sentence in read(viewer, address, status)


def test_value_is_downloaded_by_those_who_may_take_evidence_away(full: Home, viewer: Visitor, auditor: Visitor) -> None:
    answer = auditor.get("/storage/kv/settings/value?key=shop.currency&revision=1")

    assert answer.content == b'{"code": "EUR", "digits": 2}'
    assert "attachment" in answer.headers["Content-Disposition"]
    assert viewer.get("/storage/kv/settings/value?key=shop.currency&revision=1").status_code == 403
    assert auditor.get("/storage/kv/settings/value?key=shop.currency&revision=3").status_code == 404


def test_nobody_who_is_signed_out_sees_a_bucket(full: Home, visitor: Client) -> None:
    assert visitor.get("/storage/kv/settings/").status_code == 302


def test_away_server_is_told_apart_from_an_empty_one(full: Home, viewer: Visitor) -> None:
    full.server.stop()
    try:
        assert viewer.get("/storage/").status_code == 503
        assert viewer.get("/storage/kv/settings/").status_code == 503
    finally:
        full.server.start()


def test_buckets_beyond_a_page_are_reached_by_the_next(full: Home, viewer: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.storage.buckets.PAGE_ROWS", 2)

    second = ask(list_buckets, page=2)

    assert [row.name for row in second.rows] == ["nothing", "settings"]
    assert second.page_after is None


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1h30m", 5400), ("500ms", 0.5), ("never", None), ("", None), ("3 days", None)])
def test_time_to_live_of_a_value_is_read_as_the_server_writes_it(text: str, seconds: float | None) -> None:
    assert parse_ttl(text) == seconds


def test_values_that_are_no_fields_are_compared_line_by_line() -> None:
    lines = compare_bytes(b"one\ntwo", b"one\nthree").lines

    assert [(line.sign, line.value) for line in lines] == [("", "one"), ("-", "two"), ("+", "three")]


def test_number_that_no_block_can_hold_is_compared_as_text() -> None:
    assert compare_bytes(b'{"n": 1e999}', b'{"n": 2}').changes == 1
