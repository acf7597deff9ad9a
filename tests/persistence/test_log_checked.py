"""`check-log` reads every event again: what was signed must come out, and damaged tiles can be mended from it."""

from __future__ import annotations

import pytest

from apps.persistence.console import load_registry
from apps.persistence.encoding import decode, encode
from apps.persistence.errors import InvalidInput
from apps.persistence.log.kept import TILES_BUCKET, prove_inclusion, read_log
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signer import SignerFolder
from apps.persistence.operations import CheckLog
from apps.persistence.store import kv_delete, kv_get, kv_put
from apps.persistence.work.operation import Outcome

from .operating import carry_out
from .raw_stream import edited, outgoing, three_chains
from .signing_stage import SigningStage, folder, stage

__all__ = ["folder", "stage"]


async def sign(stage: SigningStage, folder: SignerFolder) -> None:
    await publish_keys(stage.connection, folder.database.vkeys())
    await stage.sign(stage.signer_of(folder))


async def check(stage: SigningStage, *, mend: bool = False) -> Outcome:
    return await carry_out(stage.raw.store, load_registry([]), CheckLog(stream=stage.stream, mend=mend))


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
