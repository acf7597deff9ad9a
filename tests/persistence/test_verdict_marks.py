"""Verification of what is new after a mark: the tree before it comes from the kept log, and its root must be the one in the mark."""

from __future__ import annotations

from dataclasses import replace

from apps.persistence.chain import Cause, Mark, Verdict, read_mark, verify_stream, write_mark
from apps.persistence.events import AggregateRef
from apps.persistence.log.kept import TILES_BUCKET
from apps.persistence.log.signer import SignerFolder
from apps.persistence.log.trust import NO_TRUST
from apps.persistence.store import Outgoing, kv_delete

from .raw_stream import make_chain, outgoing
from .rewriting import FORGED, log_anew, messages, put_instead, relinked, sign, verify
from .signing_stage import SigningStage, folder, stage

__all__ = ["folder", "messages", "stage"]


async def marked(stage: SigningStage) -> Mark:
    mark = await write_mark(stage.raw.store, await verify(stage), by="olga")
    assert mark is not None
    return mark


async def verify_new(stage: SigningStage, mark: Mark) -> Verdict:
    return await verify_stream(stage.raw.store, from_sequence=mark.sequence + 1, mark=mark, trust=NO_TRUST)


async def go_on(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.raw.write(*make_chain(FORGED, 5))
    await stage.log()
    await sign(stage, folder)


async def test_what_is_new_after_a_mark_is_held_against_the_newest_checkpoint(
    stage: SigningStage, folder: SignerFolder, messages: list[Outgoing]
) -> None:
    mark = await marked(stage)
    await go_on(stage, folder)

    verdict = await verify_new(stage, mark)
    after = await write_mark(stage.raw.store, verdict, by="olga")

    assert (verdict.intact, verdict.checked, verdict.log and verdict.log.covered) == (True, 5, 29)
    assert mark.root is not None
    assert after is not None
    assert verdict.log is not None
    assert (after.sequence, after.root) == (29, verdict.log.root)
    assert await read_mark(stage.raw.store, stage.stream) == after


async def test_what_was_rewritten_before_a_mark_shows_with_what_is_new(
    stage: SigningStage, folder: SignerFolder, messages: list[Outgoing]
) -> None:
    mark = await marked(stage)
    await go_on(stage, folder)
    new = [outgoing(stage.raw.layout, event) for event in make_chain(FORGED, 5)]
    await put_instead(stage, [*relinked(messages, 9), *new])
    await log_anew(stage)

    verdict = await verify_new(stage, mark)

    assert [(one.cause, one.sequence) for one in verdict.findings] == [(Cause.HISTORY_REWRITTEN, 1)]


async def test_lost_tiles_before_a_mark_are_made_up_for_by_the_stream(
    stage: SigningStage, folder: SignerFolder, messages: list[Outgoing]
) -> None:
    mark = await marked(stage)
    await go_on(stage, folder)
    await kv_delete(stage.raw.store.connection, TILES_BUCKET, f"{stage.stream}.tile/0/000")

    verdict = await verify_new(stage, mark)

    assert (verdict.intact, verdict.log and verdict.log.covered) == (True, 29)
    assert any("The kept log is damaged" in sentence for sentence in verdict.does_not_prove)


async def test_mark_that_nobody_gave_a_root_can_be_gone_on_from(
    stage: SigningStage, folder: SignerFolder, messages: list[Outgoing]
) -> None:
    mark = replace(await marked(stage), root=None)
    await go_on(stage, folder)

    assert (await verify_new(stage, mark)).intact


async def test_stream_that_grows_while_it_is_verified_is_intact(
    stage: SigningStage, folder: SignerFolder, messages: list[Outgoing]
) -> None:
    grown = 0

    async def grow(_: object) -> None:
        nonlocal grown
        grown += 1
        await stage.raw.write(make_chain(AggregateRef("sales", "order", f"grown{grown}"), 1)[0])
        await stage.log()
        await stage.sign(stage.signer_of(folder))

    found = [(await verify_stream(stage.raw.store, trust=NO_TRUST, on_progress=grow)).intact for _ in range(5)]

    assert (found, grown) == ([True] * 5, 5)
