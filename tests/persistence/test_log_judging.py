"""A checkpoint that somebody kept shows whether the log of today is the same one, only longer."""

from __future__ import annotations

import pytest

from apps.persistence.log import coverage as coverage_module
from apps.persistence.log import judging
from apps.persistence.log.checkpoints import Checkpoint, sign_checkpoint
from apps.persistence.log.coverage import read_coverage
from apps.persistence.log.judging import Judgement, Standing, judge_checkpoint
from apps.persistence.log.keys import KeyKind, SigningKey
from apps.persistence.log.published import publish_keys, publish_refusal, read_published
from apps.persistence.log.signer import SignerFolder
from apps.persistence.log.trust import Trust
from apps.persistence.store import kv_delete, kv_put

from .raw_stream import edited, outgoing, three_chains
from .signing_stage import SigningStage, folder, stage

__all__ = ["folder", "stage"]


async def sign(stage: SigningStage, folder: SignerFolder) -> bytes:
    """Have what there is signed, and return the checkpoint as anybody can take it away."""
    await publish_keys(stage.connection, folder.database.vkeys())
    await stage.sign(stage.signer_of(folder))
    found = await read_published(stage.connection, stage.stream)
    assert found is not None
    return found.note


def forged(stage: SigningStage, folder: SignerFolder, size: int) -> bytes:
    """A checkpoint that the log's own key signed over another history."""
    key = folder.key.named(f"{folder.key.name}/{stage.stream}")
    return sign_checkpoint(Checkpoint(origin=key.name, size=size, root=b"f" * 32), key).raw


async def judge(stage: SigningStage, raw: bytes) -> Judgement:
    return await judge_checkpoint(stage.raw.store.connection, stage.stream, raw)


async def test_log_that_only_grew_extends_the_kept_checkpoint(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    kept = await sign(stage, folder)
    await stage.write_one()
    await sign(stage, folder)

    found = await judge(stage, kept)

    assert (found.standing, found.read_again, len(found.proof)) == (Standing.EXTENDED, True, 3)


async def test_newest_checkpoint_needs_no_proof(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    kept = await sign(stage, folder)

    found = await judge(stage, kept)

    assert (found.standing, found.proof) == (Standing.EXTENDED, ())


@pytest.mark.parametrize("size", [10, 24])
async def test_checkpoint_of_another_history_shows_that_one_was_rewritten(stage: SigningStage, folder: SignerFolder, size: int) -> None:
    await stage.write()
    await sign(stage, folder)

    found = await judge(stage, forged(stage, folder, size))

    assert found.standing is Standing.REWRITTEN


async def test_stream_that_was_rewritten_below_its_log_is_noticed(stage: SigningStage, folder: SignerFolder) -> None:
    events = three_chains()
    await stage.raw.write(*events)
    await stage.log()
    kept = await sign(stage, folder)
    await stage.made_anew()
    other = outgoing(stage.raw.layout, events[9])._replace(data=edited(events[9]))
    await stage.raw.put(*(other if number == 9 else outgoing(stage.raw.layout, event) for number, event in enumerate(events)))

    found = await judge(stage, kept)

    assert found.standing is Standing.REWRITTEN
    assert "at sequence 10, and its log says" in found.reason


# -- where tiles are missing ---------------------------------------------------------------------------------------------------------------


async def test_lost_tree_is_made_again_from_the_events(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    kept = await sign(stage, folder)
    await stage.write_one()
    await sign(stage, folder)
    await stage.forget_log()

    found = await judge(stage, kept)

    assert (found.standing, found.read_again, len(found.proof)) == (Standing.EXTENDED, True, 3)


@pytest.mark.parametrize("tile", ["tile/0/000", "tile/entries/000"])
async def test_damaged_tile_is_no_other_history(stage: SigningStage, folder: SignerFolder, tile: str) -> None:
    await stage.write()
    kept = await sign(stage, folder)
    await stage.write_one()
    await sign(stage, folder)
    await kv_put(stage.raw.store.connection, "cim-log-tiles", f"{stage.stream}.{tile}", b"x" * 32 * 25)

    assert (await judge(stage, kept)).standing is Standing.EXTENDED


async def test_lost_tree_of_events_that_are_gone_cannot_be_compared(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    kept = await sign(stage, folder)
    await stage.raw.delete(5)
    await stage.forget_log()

    found = await judge(stage, kept)

    assert found.standing is Standing.INCOMPARABLE
    assert "a worker logs what is gone again" in found.reason
    assert "check-log" in found.reason


@pytest.mark.parametrize("whole", [b"", b"x" * 32 * 25])
async def test_tree_that_is_too_long_to_be_made_again_cannot_be_compared(
    stage: SigningStage, folder: SignerFolder, monkeypatch: pytest.MonkeyPatch, whole: bytes
) -> None:
    monkeypatch.setattr(judging, "READ_AGAIN", 20)
    await stage.write()
    kept = await sign(stage, folder)
    await stage.write_one()
    await sign(stage, folder)
    await kv_put(stage.raw.store.connection, "cim-log-tiles", f"{stage.stream}.tile/0/000", whole)

    assert (await judge(stage, kept)).standing is Standing.INCOMPARABLE


async def test_checkpoint_of_another_history_is_told_without_any_tile(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)
    await stage.forget_log()

    assert (await judge(stage, forged(stage, folder, 10))).standing is Standing.REWRITTEN


async def test_stream_that_was_rewritten_is_told_without_any_tile(stage: SigningStage, folder: SignerFolder) -> None:
    events = three_chains()
    await stage.write()
    kept = await sign(stage, folder)
    await stage.made_anew()
    await stage.forget_log()
    other = outgoing(stage.raw.layout, events[9])._replace(data=edited(events[9]))
    await stage.raw.put(*(other if number == 9 else outgoing(stage.raw.layout, event) for number, event in enumerate(events)))

    assert (await judge(stage, kept)).standing is Standing.REWRITTEN


async def test_checkpoint_from_the_future_shows_a_roll_back(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)

    found = await judge(stage, forged(stage, folder, 25))

    assert found.standing is Standing.FUTURE
    assert "covers 25 events, and today's log is signed to 24" in found.reason


async def test_checkpoint_beyond_the_end_of_the_stream_shows_a_cut_tail(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    kept = await sign(stage, folder)
    await stage.made_anew()

    found = await judge(stage, kept)

    assert found.standing is Standing.FUTURE
    assert (await read_coverage(stage.connection, stage.stream)).is_cut


@pytest.mark.parametrize("raw", [b"", b"no checkpoint", b"a\n1\nb\n\n\xe2\x80\x94 a AAAAAAAA\n"])
async def test_what_is_no_checkpoint_of_this_log_is_refused(stage: SigningStage, folder: SignerFolder, raw: bytes) -> None:
    await stage.write()
    await sign(stage, folder)

    assert (await judge(stage, raw)).standing is Standing.REFUSED


async def test_checkpoint_by_an_unknown_key_is_refused(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)
    key = SigningKey.generate(f"{folder.key.name}/{stage.stream}", KeyKind.LOG)

    found = await judge(stage, sign_checkpoint(Checkpoint(origin=key.name, size=1, root=bytes(32)), key).raw)

    assert found.standing is Standing.REFUSED
    assert "by a known key" in found.reason


async def test_stream_that_nobody_signed_has_nothing_to_judge_by(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()

    assert (await judge(stage, forged(stage, folder, 1))).standing is Standing.UNKNOWN


# -- how far it is signed ------------------------------------------------------------------------------------------------------------------


async def test_events_that_came_since_are_counted(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)
    await stage.write_one()

    found = await read_coverage(stage.connection, stage.stream)

    assert (found.covered, found.not_covered, found.is_late) == (24, 1, False)


async def test_event_that_waits_for_too_long_is_late(stage: SigningStage, folder: SignerFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.write()
    monkeypatch.setattr(coverage_module, "LATE_SECONDS", -60)

    assert (await read_coverage(stage.connection, stage.stream)).is_late


async def test_published_checkpoint_that_somebody_changed_covers_nothing(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    note = await sign(stage, folder)
    await kv_put(stage.connection, "cim-log-checkpoints", stage.stream, note.replace(b"\n24\n", b"\n25\n"))

    found = await read_coverage(stage.connection, stage.stream)

    assert (found.covered, found.checkpoint) == (0, None)
    assert "does not hold" in found.problem


async def test_keys_of_another_log_are_an_alarm(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)
    told = SigningKey.generate(folder.key.name, KeyKind.LOG).verifier

    own = await read_coverage(stage.connection, stage.stream, Trust(log_key=folder.key.verifier))
    other = await read_coverage(stage.connection, stage.stream, Trust(log_key=told))

    assert (own.alarm, own.covered) == ("", 24)
    assert (other.alarm, other.covered) == ("another log lies in its place", 0)
    assert "this process was told" in other.problem


async def test_keys_that_somebody_removed_do_not_hide_what_is_not_signed(stage: SigningStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_module, "LATE_SECONDS", -1)
    await stage.write()
    await kv_delete(stage.raw.store.connection, "cim-log-checkpoints", "_keys")
    told = SigningKey.generate("cim-0000", KeyKind.LOG).verifier

    assert (await read_coverage(stage.connection, stage.stream, Trust(log_key=told))).alarm == "newest events not signed"
    assert (await read_coverage(stage.connection, stage.stream)).alarm == ""


async def test_refusal_of_the_signer_is_told(stage: SigningStage) -> None:
    await publish_refusal(stage.connection, stage.stream, "Because.")

    assert (await read_coverage(stage.connection, stage.stream)).refusal == "Because."
