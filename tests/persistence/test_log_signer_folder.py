"""What the signer keeps beside the server: a database that changes only from what it was, and a key that leads to the next."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.errors import HistoryRewritten, InvalidInput
from apps.persistence.log import keys_since
from apps.persistence.log.published import parse_keys, publish_keys, read_keys
from apps.persistence.log.signed_database import Signed, open_signed_database
from apps.persistence.log.signer import change_key, open_signer_folder
from apps.persistence.store import kv_get
from apps.persistence.store.embedded import EmbeddedServer

from .signing_stage import SigningStage, open_signing_stage


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    async with open_signing_stage(nats_server, tmp_path) as opened:
        yield opened


# -- the database ----------------------------------------------------------------------------------------------------------------------


def test_database_changes_only_from_what_it_was(tmp_path: Path) -> None:
    with open_signed_database(tmp_path / "signed.sqlite3") as database:
        nothing = database.last("log")
        first = Signed(origin="log", size=1, root=b"1" * 32, edge=b"1" * 32, note=b"note")
        database.advance(nothing, first)

        with pytest.raises(HistoryRewritten, match="not at size 0"):
            database.advance(nothing, replace(first, root=b"2" * 32))
        with pytest.raises(HistoryRewritten, match="not at size 1"):
            database.advance(replace(first, root=b"2" * 32), replace(first, size=2))
        assert database.last("log") == first


def test_database_whose_edge_was_changed_is_noticed() -> None:
    with pytest.raises(InvalidInput, match="is damaged"):
        Signed(origin="log", size=1, root=b"1" * 32, edge=b"2" * 32).frontier()


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "signed.sqlite3").write_bytes(b"no database at all" * 100)

    with pytest.raises(InvalidInput, match="cannot be used"), open_signed_database(tmp_path / "signed.sqlite3"):
        pass


# -- the key ---------------------------------------------------------------------------------------------------------------------------


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with open_signer_folder(tmp_path):
        pass
    (tmp_path / "log.key").chmod(0o644)

    with pytest.raises(InvalidInput, match="Others can read"), open_signer_folder(tmp_path):
        pass


async def test_new_key_signs_on_and_the_old_one_leads_to_it(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        first = signer.keys.vkeys[0]
        old = await stage.sign(signer)
    change_key(stage.folder)
    await stage.write_one()

    with open_signer_folder(stage.folder) as opened:
        again = stage.signer_of(opened)
        new = await stage.sign(again)
        await publish_keys(stage.connection, opened.database.vkeys())
        published = await read_keys(stage.connection)
        rotations = [note for _, note in opened.database.vkeys()[1:]]
        found = await stage.published(again)

    assert (old.size, new.size) == (24, 25)
    assert published is not None
    assert keys_since(first, rotations) == published.vkeys
    assert found.signatures[0].key == published.vkeys[1].named(again.keys.origin(stage.stream))


async def test_published_keys_that_somebody_changed_are_refused(stage: SigningStage) -> None:
    with open_signer_folder(stage.folder) as opened:
        await publish_keys(stage.connection, opened.database.vkeys())
    change_key(stage.folder)
    entry = await kv_get(stage.connection, "cim-log-checkpoints", "_keys")
    assert entry is not None
    with open_signer_folder(stage.folder) as opened:
        vkey = opened.key.verifier.vkey.encode()

    with pytest.raises(InvalidInput):
        parse_keys(entry.value + vkey)


@pytest.mark.parametrize("is_known", [True, False])
def test_change_of_keys_that_was_cut_off_is_ended(tmp_path: Path, is_known: bool) -> None:
    with open_signer_folder(tmp_path) as opened:
        old = opened.key
    shutil.copy2(tmp_path / "log.key", tmp_path / "before")
    change_key(tmp_path)
    (tmp_path / "log.key").rename(tmp_path / "log.key.new")
    (tmp_path / "before").rename(tmp_path / "log.key")
    if not is_known:
        with sqlite3.connect(tmp_path / "signed.sqlite3") as database:
            database.execute("DELETE FROM keys WHERE rotation IS NOT NULL")

    with open_signer_folder(tmp_path) as opened:
        is_new = opened.key != old

    assert is_new is is_known
    assert not (tmp_path / "log.key.new").exists()


def test_another_key_than_the_last_is_refused(tmp_path: Path) -> None:
    with open_signer_folder(tmp_path / "one"), open_signer_folder(tmp_path / "two"):
        pass
    shutil.copy2(tmp_path / "two" / "log.key", tmp_path / "one" / "log.key")

    with pytest.raises(InvalidInput, match="signed last; bring that one back"), open_signer_folder(tmp_path / "one"):
        pass


def test_key_file_that_is_gone_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    with open_signer_folder(tmp_path):
        pass
    (tmp_path / "log.key").unlink()

    with pytest.raises(InvalidInput, match="is gone"), open_signer_folder(tmp_path):
        pass
