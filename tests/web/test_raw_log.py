"""A stream's log and its stored bytes are there for programs: as they were signed and stored, for who may see them, and bounded."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.test import Client

from apps.accounts.tokens import TokenRights, create_token
from apps.persistence.events import AggregateRef, NewEvent, new_id
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log, read_log, read_tiles
from apps.persistence.log.keys import KeyKind, SigningKey
from apps.persistence.log.published import ensure_checkpoints, publish_keys, read_keys, read_published
from apps.persistence.log.rotation import sign_rotation
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.log.tiles import ENTRIES, TileId
from apps.persistence.store import Message, Store, append, ensure_home, head_of, read_batch
from apps.raw_log import blocks as raw_blocks
from apps.raw_log.places import parse_place
from tests.persistence.raw_stream import ORDER, create_raw_stream, make_chain

from .conftest import Home, Visitor
from .working_console import read

LOG = "/log/CIM-EVENTS"
BLOCKS = "/audit/CIM-EVENTS/blocks"
EVENTS = 300


async def write_and_sign(store: Store, folder: Path) -> None:
    """More events than a tile holds, all of them signed."""
    await ensure_home(store.connection)
    await ensure_log(store.connection)
    await ensure_checkpoints(store.connection)
    order = AggregateRef("sales", "order", new_id())
    await append(store, await head_of(store, order), [NewEvent(type="item_added", payload={"number": number}) for number in range(EVENTS)])
    await LogFeeder(store.connection, "CIM-EVENTS").feed()
    with open_signer_folder(folder) as opened:
        await publish_keys(store.connection, opened.database.vkeys())
        await Signer(store.connection, opened.database, opened.key).look("CIM-EVENTS")


async def kept_tile(store: Store, tile: TileId) -> bytes:
    return (await read_tiles(store.connection, "CIM-EVENTS", [tile]))[tile]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signer")


@pytest.fixture(scope="module")
def signed_server(home_server: Any, folder: Path) -> None:
    """The module's server holds some events, logged and signed."""
    Home(home_server).run(write_and_sign, folder)


@pytest.fixture
def signed(signed_server: None, home: Home) -> Home:
    return home


def body(answer: Any) -> bytes:
    """All of a streamed answer."""

    async def collect() -> bytes:
        pieces = cast(AsyncIterator[bytes], cast(StreamingHttpResponse, answer).streaming_content)
        return b"".join([piece async for piece in pieces])

    return async_to_sync(collect)()


def unframed(raw: bytes) -> list[tuple[int, str, bytes]]:
    """The messages in an answer: sequence, subject, bytes."""
    found, at = [], 0
    while at < len(raw):
        sequence, length = struct.unpack_from(">QH", raw, at)
        subject = raw[at + 10 : at + 10 + length].decode()
        at += 10 + length
        (size,) = struct.unpack_from(">I", raw, at)
        found.append((sequence, subject, raw[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


# -- the log ---------------------------------------------------------------------------------------------------------------------------


def test_checkpoint_is_given_out_byte_for_byte_as_it_was_signed(signed: Home, viewer: Visitor) -> None:
    published = signed.run(lambda store: read_published(store.connection, "CIM-EVENTS"))

    answer = viewer.get(f"{LOG}/checkpoint")

    assert published is not None
    assert (answer.content, answer["Content-Type"]) == (published.note, "text/plain; charset=utf-8")
    assert answer["Cache-Control"] == "no-store"


def test_full_tile_may_be_kept_for_ever_and_a_partial_one_may_not(signed: Home, viewer: Visitor) -> None:
    kept = signed.run(kept_tile, TileId(0, 0))

    full, partial = viewer.get(f"{LOG}/tile/0/000"), viewer.get(f"{LOG}/tile/0/000.p/3")

    assert (full.content, partial.content) == (kept, kept[:96])
    assert (full["Cache-Control"], partial["Cache-Control"]) == ("private, max-age=31536000, immutable", "no-store")
    assert full["Content-Type"] == "application/octet-stream"


def test_leaves_are_given_out_in_bundles(signed: Home, viewer: Visitor) -> None:
    kept = signed.run(kept_tile, TileId(ENTRIES, 0))

    assert viewer.get(f"{LOG}/tile/entries/000").content == kept
    assert viewer.get(f"{LOG}/tile/entries/000.p/2").content == kept[:92]


@pytest.mark.parametrize("place", ["0/x001/067", "0/001", "1/000", "0/001.p/255", "3/000.p/1"])
def test_tile_that_the_log_does_not_have_is_said_to_be_none(signed: Home, viewer: Visitor, place: str) -> None:
    answer = viewer.get(f"{LOG}/tile/{place}")

    assert answer.status_code == 404
    assert answer.content.decode().startswith(f"The log of CIM-EVENTS has no tile {place}: it holds ")


@pytest.mark.parametrize("place", ["0/0", "00/000", "0/x000/001", "0/000.p/0", "0/000.p/256", "0/000.p/01", "64/000", "x/000", "0/000.p/"])
def test_what_no_tile_is_called_is_not_found(signed: Home, viewer: Visitor, place: str) -> None:
    answer = viewer.get(f"{LOG}/tile/{place}")

    assert (answer.status_code, answer.content.decode()[:20]) == (404, "No tile is called '" + place[0])


def test_path_of_a_tile_in_a_large_log_is_read() -> None:
    place = parse_place("0/x001/x234/067.p/12")

    assert (place.tile, place.width, place.is_full) == (TileId(0, 1_234_067), 12, False)


def test_keys_are_one_a_line_under_the_bare_name_and_under_that_of_the_log(signed: Home, viewer: Visitor) -> None:
    keys = signed.run(lambda store: read_keys(store.connection))

    assert keys is not None
    assert viewer.get("/log/vkeys").content.decode() == f"{keys.vkeys[0].vkey}\n"
    assert viewer.get(f"{LOG}/vkeys").content.decode() == f"{keys.vkeys[0].named(keys.origin('CIM-EVENTS')).vkey}\n"


@pytest.mark.usefixtures("signed")
def test_keys_of_another_log_than_this_process_was_told_are_not_given_out(viewer: Visitor, settings: LazySettings, folder: Path) -> None:
    with open_signer_folder(folder) as opened:
        own = opened.key.verifier.vkey
    settings.CIM_LOG_KEY = SigningKey.generate("cim-0000", KeyKind.LOG).verifier.vkey
    refused = [viewer.get(path) for path in ("/log/vkeys", f"{LOG}/vkeys", "/log/vkeys/2")]
    settings.CIM_LOG_KEY = own

    assert [answer.status_code for answer in refused] == [400, 400, 400]
    assert all("another log was put in the place of this one" in answer.content.decode() for answer in refused)
    assert viewer.get("/log/vkeys").content.decode() == f"{own}\n"


def test_note_by_which_a_key_followed_is_given_out(signed: Home, viewer: Visitor, folder: Path) -> None:
    with open_signer_folder(folder) as opened:
        before, old = opened.database.vkeys(), opened.key
    new = SigningKey.generate(old.name, KeyKind.LOG)
    note = sign_rotation(old, new).raw
    signed.run(lambda store: publish_keys(store.connection, [*before, (new.verifier.vkey, note)]))

    found, beyond = viewer.get("/log/vkeys/2"), viewer.get("/log/vkeys/3")
    signed.run(lambda store: publish_keys(store.connection, before))

    assert found.content == note
    assert (beyond.status_code, beyond.content.decode()[:26]) == (404, "The log has had 2 keys, so")


def test_log_that_is_not_there_is_said_so(signed: Home, viewer: Visitor) -> None:
    answers = [viewer.get(f"/log/CIM-NONE/{what}") for what in ("checkpoint", "tile/0/000")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content.decode().startswith("No checkpoint of CIM-NONE is published")
    assert answers[1].content.decode().startswith("Nothing of CIM-NONE was logged")


def test_name_that_no_stream_has_is_refused(signed: Home, viewer: Visitor) -> None:
    assert viewer.get("/log/a*/checkpoint").status_code == 400


# -- stored bytes ----------------------------------------------------------------------------------------------------------------------


async def with_a_gap(store: Store) -> tuple[str, tuple[Message, ...]]:
    """A stream in which the second of three messages was deleted: its name, and what it holds."""
    raw = await create_raw_stream(store)
    await raw.write(*make_chain(ORDER, 3))
    await raw.delete(2)
    return raw.layout.stream, (await read_batch(store.connection, raw.layout.stream)).messages


def test_stored_bytes_come_as_they_are_and_what_was_deleted_does_not(signed: Home, viewer: Visitor) -> None:
    stream, stored = signed.run(with_a_gap)

    answer = viewer.get(f"/audit/{stream}/blocks")

    assert unframed(body(answer)) == [(message.sequence, message.subject, message.data) for message in stored]
    assert [message.sequence for message in stored] == [1, 3]
    assert answer["CIM-Last-Sequence"] == "3"


def test_a_range_is_given_out_in_batches(signed: Home, viewer: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_blocks, "MESSAGES_AT_ONCE", 4)

    answer = viewer.get(f"{BLOCKS}?first=10&last=20")

    assert [sequence for sequence, _, _ in unframed(body(answer))] == list(range(10, 21))


def test_one_answer_covers_no_more_than_ten_thousand_sequences(signed: Home, viewer: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert raw_blocks.MOST_SEQUENCES == 10_000
    monkeypatch.setattr(raw_blocks, "MOST_SEQUENCES", 5)

    answer = viewer.get(f"{BLOCKS}?first=11")

    assert [sequence for sequence, _, _ in unframed(body(answer))] == [11, 12, 13, 14, 15]
    assert (answer["CIM-First-Sequence"], answer["CIM-Last-Sequence"]) == ("11", "15")


def test_after_the_end_there_is_nothing(signed: Home, viewer: Visitor) -> None:
    state = signed.run(lambda store: read_log(store.connection, "CIM-EVENTS"))

    answer = viewer.get(f"{BLOCKS}?first=999999")

    assert state is not None
    assert (body(answer), answer["CIM-Last-Sequence"]) == (b"", str(state.size))


@pytest.mark.parametrize("first", ["0", "-1", "x", "1e3", "9223372036854775808", "1" * 40, "٣"])
def test_what_is_no_sequence_is_refused(signed: Home, viewer: Visitor, first: str) -> None:
    answer = viewer.get(BLOCKS, {"first": first})

    assert (answer.status_code, answer.content.decode()[:8]) == (400, "first is")


def test_stream_that_is_not_there_is_said_so(signed: Home, viewer: Visitor) -> None:
    assert viewer.get("/audit/CIM-NONE/blocks").status_code == 404


def test_page_says_what_verifying_here_needs_where_there_are_no_scripts(signed: Home, viewer: Visitor) -> None:
    assert "It needs JavaScript, as the browser does the work." in read(viewer, "/audit/CIM-EVENTS/")


# -- who may -------------------------------------------------------------------------------------------------------------------------


ADDRESSES = [f"{LOG}/checkpoint", f"{LOG}/tile/0/000", f"{LOG}/vkeys", "/log/vkeys", BLOCKS]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_token_with_the_right_is_let_in(signed: Home, viewer: Visitor, visitor: Client, address: str) -> None:
    right = create_token(viewer.person, "follower", days=1, rights=TokenRights(permissions=("audit.view",))).secret
    wrong = create_token(viewer.person, "runs", days=1, rights=TokenRights(permissions=("runs.view",))).secret

    answers = [visitor.get(address, headers={"Authorization": f"Bearer {secret}"}) for secret in (right, wrong, "cim_unknown")]

    assert [answer.status_code for answer in answers] == [200, 403, 401]
    assert answers[1].content.decode() == "The token runs does not have audit.view, or its person does not; make one that has it.\n"


@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_is_let_in_without(signed: Home, visitor: Client, address: str) -> None:
    program, browser = visitor.get(address), visitor.get(address, headers={"Accept": "text/html,*/*"})

    assert (program.status_code, program["WWW-Authenticate"]) == (401, 'Bearer realm="CIM console"')
    assert (browser.status_code, browser["Location"].partition("?")[0]) == (302, "/sign-in")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_person_without_a_role_is_told_which_is_needed(signed: Home, visitor: Client, address: str) -> None:
    visitor.force_login(User.objects.create_user("nobody"))

    answer = visitor.get(address)

    assert (answer.status_code, answer.content.decode()) == (403, "This needs the viewer role; ask an admin.\n")


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_is_written_here(signed: Home, admin: Visitor, address: str) -> None:
    assert admin.post(address).status_code == 405


def test_range_that_ends_before_it_begins_is_refused_in_words(signed: Home, viewer: Visitor) -> None:
    answer = viewer.get(f"{BLOCKS}?first=5&last=1")

    assert answer.status_code == 400
    assert "first is 5 and last is 1, which is before it" in answer.content.decode()
