"""The signer's own copy of the leaves is never shorter than what it signed, and names what was changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import HistoryRewritten, InvalidInput, LogIncomplete
from apps.persistence.log import signer as signer_module
from apps.persistence.log import signing
from apps.persistence.log.leaves import LEAF_BYTES
from apps.persistence.log.published import read_keys, read_refusal
from apps.persistence.log.signed_leaves import SignedLeaves
from apps.persistence.log.signer import Candidate, open_signer_folder, sign_logs, sign_or_refuse
from apps.persistence.store import StreamInfo, get_stream, kv_delete
from apps.persistence.store.embedded import EmbeddedServer

from .raw_stream import edited, outgoing, three_chains
from .signing_stage import SigningStage, open_signing_stage

EVENTS = three_chains()
Found = TypeVar("Found")


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    async with open_signing_stage(nats_server, tmp_path) as opened:
        yield opened


@pytest.fixture
async def signed(stage: SigningStage) -> SigningStage:
    """Twenty-four events are signed, and the signer has ended."""
    await stage.raw.write(*EVENTS)
    await stage.log()
    with stage.signer() as signer:
        await stage.sign(signer)
    return stage


def copy_of(stage: SigningStage) -> SignedLeaves:
    return SignedLeaves(stage.folder, stage.stream)


async def rewrite(stage: SigningStage, *, last: int = 24) -> None:
    """Make stream and kept tree anew with another event at sequence 10."""
    forged = outgoing(stage.raw.layout, EVENTS[9])._replace(data=edited(EVENTS[9]))
    await stage.made_anew()
    await stage.forget_log()
    await stage.raw.put(*(forged if n == 9 else outgoing(stage.raw.layout, event) for n, event in enumerate(EVENTS[:last])))
    await stage.log()


async def test_copy_grows_with_what_is_signed(signed: SigningStage) -> None:
    await signed.write_one()
    with signed.signer() as signer:
        await signed.sign(signer)

    assert copy_of(signed).path.stat().st_size == 25 * LEAF_BYTES
    assert copy_of(signed).path.stat().st_mode & 0o777 == 0o600


async def test_folder_from_before_gets_its_copy_from_the_stream(signed: SigningStage) -> None:
    before = copy_of(signed).path.read_bytes()
    copy_of(signed).path.unlink()
    await signed.raw.delete(5)
    await signed.write_one()

    with signed.signer() as signer:
        await signed.sign(signer)

    assert copy_of(signed).path.read_bytes()[: len(before)] == before
    assert list(signed.folder.glob("*.new.*")) == []


async def test_folder_from_before_gets_no_copy_of_another_history(signed: SigningStage) -> None:
    copy_of(signed).path.unlink()
    await rewrite(signed)

    with signed.signer() as signer, pytest.raises(HistoryRewritten, match="is not what was signed"):
        await signed.sign(signer)

    assert not copy_of(signed).is_there


@pytest.mark.parametrize("extra", [b"x", b"x" * LEAF_BYTES, b"x" * (3 * LEAF_BYTES + 5)])
async def test_leaves_that_were_written_and_not_signed_are_cut_back(signed: SigningStage, extra: bytes) -> None:
    with copy_of(signed).path.open("ab") as file:
        file.write(extra)
    await signed.write_one()

    with signed.signer() as signer:
        await signed.sign(signer)

    assert copy_of(signed).size == 25
    with signed.signer() as again:
        await signed.write_one()
        assert (await signed.sign(again)).size == 26


async def test_copy_that_is_shorter_than_the_database_signs_nothing_until_it_is_removed(signed: SigningStage) -> None:
    path = copy_of(signed).path
    path.write_bytes(path.read_bytes()[: 20 * LEAF_BYTES])
    await signed.write_one()

    with signed.signer() as signer:
        with pytest.raises(InvalidInput, match=r"has 20 of 24 that were signed.* Or remove the file"):
            await signed.sign(signer)
        path.unlink()
        made = await signed.sign(signer)

    assert made.size == 25


async def test_copy_with_another_byte_signs_nothing(signed: SigningStage) -> None:
    raw = bytearray(copy_of(signed).path.read_bytes())
    raw[500] ^= 1
    copy_of(signed).path.write_bytes(raw)

    with signed.signer() as signer, pytest.raises(InvalidInput, match="is damaged"):
        await signed.sign(signer)


async def test_refusal_names_the_first_difference(signed: SigningStage) -> None:
    await rewrite(signed)

    with signed.signer() as signer:
        said = await sign_or_refuse(signed.connection, signer, signed.stream)

    was, is_now = cid_of(EVENTS[9].to_block()), cid_of(edited(EVENTS[9]))
    assert f"The first difference is at sequence 10: signed was {was}, and there is {is_now} now." in said
    assert await read_refusal(signed.connection, signed.stream) == said


async def test_refusal_of_a_cut_stream_names_the_first_difference(signed: SigningStage) -> None:
    await rewrite(signed, last=15)

    with signed.signer() as signer:
        said = await sign_or_refuse(signed.connection, signer, signed.stream)

    assert "ends at 15, and was signed up to 24" in said
    assert "The first difference is at sequence 10" in said


# -- at once, also when nothing comes ---------------------------------------------------------------------------------------------------


async def test_stream_that_becomes_shorter_is_noticed_while_nothing_comes(signed: SigningStage) -> None:
    with signed.signer() as signer:
        await signer.look(signed.stream)
        await signed.made_anew()

        with pytest.raises(HistoryRewritten, match="ends at 0, and was signed up to 24"):
            await signer.look(signed.stream)


@pytest.mark.parametrize("is_all_gone", [True, False])
async def test_kept_tree_that_becomes_shorter_is_noticed_while_nothing_comes(signed: SigningStage, is_all_gone: bool) -> None:
    with signed.signer() as signer:
        await signer.look(signed.stream)
        await signed.forget_log()
        if not is_all_gone:
            await signed.log_up_to(7)

        with pytest.raises(LogIncomplete, match=f"The kept log of .* {'is gone' if is_all_gone else 'ends at 7'}; .* was signed up to 24"):
            await signer.look(signed.stream)
        await signed.log()
        assert await sign_or_refuse(signed.connection, signer, signed.stream) == ""


async def test_shorter_kept_tree_of_another_history_is_no_lost_one(signed: SigningStage) -> None:
    with signed.signer() as signer:
        await signer.look(signed.stream)
        await rewrite(signed)
        await signed.forget_log()
        await signed.log_up_to(12)

        with pytest.raises(HistoryRewritten, match="ends at 12 and is not what was signed there"):
            await signer.look(signed.stream)


async def test_stream_of_another_history_without_a_kept_tree_is_named(signed: SigningStage) -> None:
    with signed.signer() as signer:
        await signer.look(signed.stream)
        await rewrite(signed)
        await signed.forget_log()

        with pytest.raises(HistoryRewritten, match="The first difference is at sequence 10"):
            await signer.look(signed.stream)


async def test_kept_tree_that_is_logged_again_is_signed_on_within_seconds(signed: SigningStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal for another reason stays for longer than this test does."""
    connection = signed.raw.store.connection
    monkeypatch.setattr(signer_module, "REFUSED_SECONDS", 600.0)
    await signed.forget_log()

    async def candidates() -> list[Candidate]:
        return [Candidate(stream=signed.stream)]

    async def is_taken_back() -> bool:
        return await read_refusal(connection, signed.stream) == ""

    with open_signer_folder(signed.folder) as opened:
        task = asyncio.create_task(sign_logs(signed.connection, opened, candidates, on_ready=lambda: None))
        said = await there(lambda: read_refusal(connection, signed.stream))
        await signed.log()
        await there(is_taken_back)
        task.cancel()
        await asyncio.wait({task})

    assert "is gone; it was signed up to 24, and a worker logs it again" in said


async def test_stream_that_is_another_when_it_is_read_again_is_noticed_at_once(signed: SigningStage) -> None:
    with signed.signer() as signer:
        await signer.look(signed.stream)
        await rewrite(signed)

        with pytest.raises(HistoryRewritten, match="The first difference is at sequence 10"):
            await signer.look(signed.stream)


async def test_messages_that_the_server_gives_in_another_way_later_are_noticed(
    signed: SigningStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes the server's files keeps the time at which the stream was made."""
    info = await get_stream(signed.connection, signed.stream)
    with signed.signer() as signer:
        await signer.look(signed.stream)
        await rewrite(signed)

        async def as_before(*_: object) -> StreamInfo:
            return info

        monkeypatch.setattr(signing, "get_stream", as_before)
        await signer.look(signed.stream)
        signed.now += 10
        with pytest.raises(HistoryRewritten, match="The first difference is at sequence 10"):
            await signer.look(signed.stream)


async def test_what_somebody_deleted_from_the_buckets_comes_back(signed: SigningStage) -> None:
    connection = signed.raw.store.connection
    await kv_delete(connection, "cim-log-tiles", signed.stream)
    await kv_delete(connection, "cim-log-checkpoints", signed.stream)

    await signed.log()
    with signed.signer() as signer:
        await signed.sign(signer)
        found = await signed.published(signer)

    assert found.checkpoint.size == 24


async def test_keys_and_refusal_that_somebody_removes_come_back(signed: SigningStage) -> None:
    connection = signed.raw.store.connection
    await signed.made_anew()

    async def candidates() -> list[Candidate]:
        return [Candidate(stream=signed.stream)]

    with open_signer_folder(signed.folder) as opened:
        task = asyncio.create_task(sign_logs(signed.connection, opened, candidates, on_ready=lambda: None))
        said = await there(lambda: read_refusal(connection, signed.stream))
        await kv_delete(connection, "cim-log-checkpoints", f"{signed.stream}.refusal")
        await kv_delete(connection, "cim-log-checkpoints", "_keys")
        again = await there(lambda: read_refusal(connection, signed.stream))
        keys = await there(lambda: read_keys(connection))
        task.cancel()
        await asyncio.wait({task})

    assert "ends at 0, and was signed up to 24" in said
    assert again == said
    assert keys.vkeys == (opened.key.verifier,)


async def there(read: Callable[[], Awaitable[Found | None]]) -> Found:
    """What is read, once there is something."""
    for _ in range(1200):
        if found := await read():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("nothing came within a minute")


async def test_refusal_is_taken_back_as_soon_as_the_log_is_as_it_was(signed: SigningStage) -> None:
    with signed.signer() as signer:
        await signed.forget_log()
        refused = await sign_or_refuse(signed.connection, signer, signed.stream)
        await signed.log()
        accepted = await sign_or_refuse(signed.connection, signer, signed.stream)

    assert (refused != "", accepted) == (True, "")
    assert await read_refusal(signed.connection, signed.stream) == ""
