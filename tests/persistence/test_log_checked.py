"""`check-log` reads every event again: what was signed must come out, and damaged tiles can be mended from it."""

from __future__ import annotations

from functools import partial

import pytest

from apps.persistence.console import load_registry
from apps.persistence.encoding import decode, encode
from apps.persistence.errors import HistoryRewritten, InvalidInput
from apps.persistence.log.anchors import ask_leaves
from apps.persistence.log.comparison import compare_with_stream, mend_tiles
from apps.persistence.log.coverage import read_coverage
from apps.persistence.log.kept import TILES_BUCKET, logged_leaves, prove_inclusion, read_log
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signed_leaves import SignedLeaves
from apps.persistence.log.signer import SignerFolder
from apps.persistence.log.trust import NO_TRUST, Trust
from apps.persistence.operations import CheckLog
from apps.persistence.store import kv_delete, kv_get, kv_put
from apps.persistence.work.operation import Outcome

from .log_trust import answering
from .operating import carry_out
from .raw_stream import edited, outgoing, three_chains
from .signing_stage import SigningStage, folder, stage

__all__ = ["folder", "stage"]


async def sign(stage: SigningStage, folder: SignerFolder) -> None:
    await publish_keys(stage.connection, folder.database.vkeys())
    await stage.sign(stage.signer_of(folder))


async def check(stage: SigningStage, *, mend: bool = False, trust: Trust = NO_TRUST) -> Outcome:
    registry = load_registry([])
    registry.trust = trust
    return await carry_out(stage.raw.store, registry, CheckLog(stream=stage.stream, mend=mend))


async def lose_log(stage: SigningStage, folder: SignerFolder, *, count: int = 600) -> None:
    """So many events are signed, some of them removed, and then the tiles are lost; a worker has logged what is left."""
    await stage.write_many(count)
    await stage.log()
    await sign(stage, folder)
    for sequence in (1, 2, 300):
        await stage.raw.delete(sequence)
    await stage.forget_log()
    await stage.log()


async def test_untouched_stream_has_the_root_that_was_signed(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)
    await stage.write_one()

    outcome = await check(stage)

    assert outcome.sentence == f"25 events of {stage.stream} have the root that was signed for 24 events."
    assert outcome.figures["intact"] is True


async def test_events_that_are_gone_are_taken_as_they_were_logged(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)
    await stage.raw.delete(5)

    outcome = await check(stage)

    assert "1 of them by what was logged, as they are gone" in outcome.sentence
    assert outcome.figures["intact"] is True


async def test_log_that_nobody_signed_is_held_against_its_own_root(stage: SigningStage) -> None:
    await stage.write()

    assert "have the root of its log" in (await check(stage)).sentence


async def test_event_that_was_changed_is_named(stage: SigningStage, folder: SignerFolder) -> None:
    events = three_chains()
    await stage.raw.write(*events)
    await stage.log()
    await sign(stage, folder)
    await stage.made_anew()
    forged = outgoing(stage.raw.layout, events[9])._replace(data=edited(events[9]))
    await stage.raw.put(*(forged if number == 9 else outgoing(stage.raw.layout, event) for number, event in enumerate(events)))

    outcome = await check(stage, mend=True)

    assert "the first of 1 events that differ is at sequence 10" in outcome.sentence
    assert (outcome.figures["finding_count"], outcome.figures["mended_tiles"]) == (1, 0)


async def test_stream_whose_tail_was_cut_is_told(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)
    await stage.made_anew()
    await stage.raw.write(*three_chains()[:3])

    assert "it ends at 3, and its log goes on to 24" in (await check(stage)).sentence


@pytest.mark.parametrize(
    ("tile", "damage"),
    [
        ("0/000", None),
        ("0/000", b""),
        ("0/000", b"damaged"),
        ("0/001", None),
        ("1/000", None),
        ("entries/000", None),
        ("entries/000", b"damaged"),
        ("entries/001", b""),
    ],
)
async def test_damaged_tile_is_mended_from_what_was_signed(
    stage: SigningStage, folder: SignerFolder, tile: str, damage: bytes | None
) -> None:
    await stage.write_many(300)
    await stage.log()
    await sign(stage, folder)
    key = f"{stage.stream}.tile/{tile}"
    before = await kv_get(stage.raw.store.connection, TILES_BUCKET, key)
    assert before is not None
    if damage is None:
        await kv_delete(stage.raw.store.connection, TILES_BUCKET, key)
    else:
        await kv_put(stage.raw.store.connection, TILES_BUCKET, key, damage)

    told = await check(stage)
    mended = await check(stage, mend=True)

    after = await kv_get(stage.raw.store.connection, TILES_BUCKET, key)
    assert "1 tiles of the log are damaged" in told.sentence
    assert "1 damaged tile of the log was written anew" in mended.sentence
    assert after is not None
    assert after.value == before.value
    await prove_inclusion(stage.raw.store.connection, stage.stream, 299, size=300)


async def test_tile_of_an_event_that_is_gone_is_only_mended_where_the_root_proves_it(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)
    await stage.raw.delete(5)
    await kv_delete(stage.raw.store.connection, TILES_BUCKET, f"{stage.stream}.tile/entries/000")

    outcome = await check(stage, mend=True)

    assert "what was logged of events that are gone is not true, or is lost" in outcome.sentence
    assert "No signer answers about" in outcome.sentence
    assert outcome.figures["mended_tiles"] == 0


async def test_tiles_that_were_lost_with_events_are_restored_from_the_signers_copy(stage: SigningStage, folder: SignerFolder) -> None:
    await lose_log(stage, folder)
    signer = stage.signer_of(folder)
    with pytest.raises(HistoryRewritten):
        await signer.look(stage.stream)

    async with answering(stage, folder) as trust:
        told = await check(stage, trust=trust)
        mended = await check(stage, mend=True, trust=trust)
        after = await check(stage, trust=trust)

    held = f"600 events of {stage.stream} have the root that was signed for 600 events, 3 of them by what was logged"
    assert told.sentence.startswith(f"{held}, 3 by the signer's own copy, as they are gone.")
    assert "5 tiles of the log are damaged; start it again with mend." in told.sentence
    assert "5 damaged tiles of the log were written anew." in mended.sentence
    assert (after.sentence, after.figures["finding_count"]) == (f"{held}, as they are gone.", 0)
    kept = await logged_leaves(stage.raw.store.connection, stage.stream, first=1, last=600)
    assert kept == SignedLeaves(stage.folder, stage.stream).read(after=0, last=600)
    await prove_inclusion(stage.raw.store.connection, stage.stream, 300, size=600)
    await stage.write_one()
    assert (await stage.sign(signer)).size == 601


async def test_tree_that_grows_while_it_is_mended_is_whole(stage: SigningStage, folder: SignerFolder) -> None:
    await lose_log(stage, folder)
    connection, stream = stage.raw.store.connection, stage.stream
    async with answering(stage, folder) as trust:
        signed = (await read_coverage(connection, stream, trust)).checkpoint
        assert signed is not None
        recall = partial(ask_leaves, connection, stream, trust)
        found = await compare_with_stream(
            connection, stream, last=600, signed=signed.checkpoint, recall=lambda after, last: recall(after=after, last=last)
        )
        await stage.write_many(300)
        await stage.log()

        await mend_tiles(connection, found)

        again = await compare_with_stream(connection, stream, last=900, signed=signed.checkpoint)
    assert (again.agrees, again.size, again.gone) == (True, 900, 3)


async def test_leaves_of_a_signer_that_are_not_what_was_signed_mend_nothing(stage: SigningStage, folder: SignerFolder) -> None:
    await lose_log(stage, folder)
    copy = SignedLeaves(stage.folder, stage.stream)
    whole = copy.read(after=0, last=600)
    with copy.appending(0) as add:
        add([whole[0][:-1] + bytes([whole[0][-1] ^ 1]), *whole[1:]])

    async with answering(stage, folder) as trust:
        outcome = await check(stage, mend=True, trust=trust)

    assert "What the signer keeps of them does not lead to the root that was signed either." in outcome.sentence
    assert outcome.figures["mended_tiles"] == 0


async def test_state_with_another_root_is_put_right(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await sign(stage, folder)
    before = await read_log(stage.connection, stage.stream)
    entry = await kv_get(stage.raw.store.connection, TILES_BUCKET, stage.stream)
    assert before is not None
    assert entry is not None
    value = decode(entry.value)
    assert isinstance(value, dict)
    await kv_put(stage.raw.store.connection, TILES_BUCKET, stage.stream, encode({**value, "root": b"f" * 32}))

    await check(stage, mend=True)

    after = await read_log(stage.connection, stage.stream)
    assert after is not None
    assert after.root == before.root


async def test_stream_that_nobody_logged_cannot_be_checked(stage: SigningStage) -> None:
    with pytest.raises(InvalidInput, match="was logged yet"):
        await check(stage)
