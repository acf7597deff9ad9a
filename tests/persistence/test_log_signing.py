"""The signer signs what extends what it signed before, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import Conflict, HistoryRewritten, PermissionDenied
from apps.persistence.log import check_consistency
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import prove_consistency, read_log
from apps.persistence.log.leaves import Leaf
from apps.persistence.log.published import published_before, read_refusal
from apps.persistence.log.signer import open_signer_folder, sign_or_refuse
from apps.persistence.store import get_message, kv_put
from apps.persistence.store.embedded import EmbeddedServer

from .raw_stream import edited, outgoing, three_chains
from .signing_stage import SigningStage, open_signing_stage


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    async with open_signing_stage(nats_server, tmp_path) as opened:
        yield opened


# -- what it signs, and when -----------------------------------------------------------------------------------------------------------


async def test_signed_checkpoint_is_that_of_the_kept_log(stage: SigningStage) -> None:
    await stage.write()

    with stage.signer() as signer:
        await stage.sign(signer)
        found = await stage.published(signer)

    state = await read_log(stage.connection, stage.stream)
    assert state is not None
    assert (found.checkpoint.size, found.checkpoint.root) == (24, state.root)


async def test_only_what_was_signed_as_it_is_counts_as_signed(stage: SigningStage) -> None:
    """A stream that rests on another is signed only after the events that speak for it."""
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
    tenth = Leaf(10, cid_of((await get_message(stage.connection, stage.stream, 10)).data))
    await stage.write_one()
    newest = (await get_message(stage.connection, stage.stream, 25)).data

    with stage.signer() as signer:
        answers = [
            signer.has_signed(stage.stream, leaves)
            for leaves in ([], [tenth], [tenth, Leaf(11, tenth.cid)], [tenth, Leaf(25, cid_of(newest))])
        ]
        elsewhere = signer.has_signed("OTHER", [tenth])
        await stage.sign(signer)
        answers.append(signer.has_signed(stage.stream, [tenth, Leaf(25, cid_of(newest))]))

    assert answers == [True, True, False, False, True]
    assert not elsewhere


async def test_one_event_more_is_signed_after_ten_seconds_and_not_before(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
        await stage.write_one()

        stage.now += 9
        early = await signer.look(stage.stream)
        stage.now += 1
        late = await signer.look(stage.stream)

    assert early is None
    assert late is not None
    assert late.size == 25


async def test_thousand_events_are_signed_at_once(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
        await stage.write_many(1000)
        await stage.log()

        signed = await signer.look(stage.stream)

    assert signed is not None
    assert signed.size == 1024


async def test_log_that_rests_is_signed_again_every_hour(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)

        stage.now += 3599
        early = await signer.look(stage.stream)
        stage.now += 1
        late = await signer.look(stage.stream)

    assert early is None
    assert late is not None
    assert [len(entry.note) for entry in await published_before(stage.connection, stage.stream)] == [
        len((await published_before(stage.connection, stage.stream))[0].note)
    ] * 2


async def test_later_checkpoint_extends_the_earlier_one(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        old = await stage.sign(signer)
        await stage.write_one()
        new = await stage.sign(signer)

    proof = await prove_consistency(stage.connection, stage.stream, old_size=old.size, new_size=new.size)
    check_consistency(old_size=old.size, old_root=old.root, new_size=new.size, new_root=new.root, proof=proof)


async def test_stream_that_nobody_logged_is_not_signed(stage: SigningStage) -> None:
    await stage.raw.write(*three_chains())

    with stage.signer() as signer:
        assert await signer.look(stage.stream) is None


async def test_event_that_went_before_it_was_signed_is_signed_as_it_was_logged(stage: SigningStage) -> None:
    await stage.write()
    await stage.raw.delete(5)

    with stage.signer() as signer:
        signed = await stage.sign(signer)

    state = await read_log(stage.connection, stage.stream)
    assert state is not None
    assert signed.root == state.root


async def test_signer_that_starts_again_goes_on_where_it_was(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
    await stage.raw.delete(1)
    await stage.write_one()

    with stage.signer() as again:
        signed = await stage.sign(again)

    assert signed.size == 25


# -- what it does not sign -------------------------------------------------------------------------------------------------------------


async def test_event_that_was_changed_after_it_was_logged_is_not_signed(stage: SigningStage) -> None:
    events = three_chains()
    await stage.raw.write(*events)
    await stage.log()
    await stage.made_anew()
    forged = outgoing(stage.raw.layout, events[9])._replace(data=edited(events[9]))
    await stage.raw.put(*(forged if number == 9 else outgoing(stage.raw.layout, event) for number, event in enumerate(events)))

    with stage.signer() as signer, pytest.raises(HistoryRewritten, match="at sequence 10, and its log says"):
        await stage.sign(signer)


async def test_stream_and_log_that_were_both_rewritten_are_not_signed_again(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
    await stage.made_anew()
    await stage.raw.store.connection.api("STREAM.PURGE.KV_cim-log-tiles", {"filter": f"$KV.cim-log-tiles.{stage.stream}"})
    await stage.raw.store.connection.api("STREAM.PURGE.KV_cim-log-tiles", {"filter": f"$KV.cim-log-tiles.{stage.stream}.>"})
    await stage.raw.write(*three_chains())
    await LogFeeder(stage.raw.store.connection, stage.stream).feed()

    with stage.signer() as again, pytest.raises(HistoryRewritten, match="is not what was signed"):
        await stage.sign(again)


async def test_stream_whose_tail_was_cut_is_not_signed(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
        await stage.made_anew()
        stage.now += 3600

        with pytest.raises(HistoryRewritten, match="ends at 0, and was signed up to 24"):
            await signer.look(stage.stream)


async def test_database_from_an_old_copy_signs_nothing(stage: SigningStage, tmp_path: Path) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
    shutil.copytree(stage.folder, tmp_path / "old")
    await stage.write_one()
    with stage.signer() as signer:
        await stage.sign(signer)

    with stage.signer(tmp_path / "old") as restored, pytest.raises(HistoryRewritten, match="it is an old copy"):
        await stage.sign(restored)


async def test_key_without_its_database_signs_nothing(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
    (stage.folder / "signed.sqlite3").unlink()

    with stage.signer() as restored, pytest.raises(HistoryRewritten, match="database knows 0"):
        await stage.sign(restored)


def test_second_signer_on_one_folder_is_refused(tmp_path: Path) -> None:
    with (
        open_signer_folder(tmp_path / "signer"),
        pytest.raises(Conflict, match="two never sign at once"),
        open_signer_folder(tmp_path / "signer"),
    ):
        pass


async def test_second_signer_with_a_copy_of_the_folder_stops_both(stage: SigningStage, tmp_path: Path) -> None:
    await stage.write()
    with stage.signer() as first:
        await stage.sign(first)
        shutil.copytree(stage.folder, tmp_path / "copy")
        with stage.signer(tmp_path / "copy") as second:
            await stage.write_one()
            await stage.sign(second)

            with pytest.raises(HistoryRewritten, match="is there a second signer"):
                await stage.sign(first)


async def test_reason_is_published_and_taken_back(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
        await stage.made_anew()
        stage.now += 3600
        refused = await sign_or_refuse(stage.connection, signer, stage.stream)
        said = await read_refusal(stage.connection, stage.stream)

    assert refused == said
    assert "its tail was cut, or it was made anew" in said


async def test_signer_may_not_write_anything_but_checkpoints(stage: SigningStage) -> None:
    with pytest.raises(PermissionDenied):
        await kv_put(stage.connection, "cim-log-tiles", stage.stream, b"forged")
    with pytest.raises(PermissionDenied):
        await stage.connection.api(f"STREAM.PURGE.{stage.stream}")
