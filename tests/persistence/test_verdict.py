"""One verdict over all layers: what was done to a stream and to its log is told apart, and the first bad sequence is named."""

from __future__ import annotations

import pytest

from apps.persistence.chain import Cause, verify_stream
from apps.persistence.encoding import cid_of
from apps.persistence.events import Event
from apps.persistence.log.anchors import Anchor, Anchors, AnchorSource
from apps.persistence.log.checkpoints import Checkpoint
from apps.persistence.log.kept import TILES_BUCKET
from apps.persistence.log.keys import KeyKind, SigningKey
from apps.persistence.log.signer import SignerFolder
from apps.persistence.log.trust import Trust
from apps.persistence.log.witness_client import WitnessClient
from apps.persistence.operations.verify_receipt import sentence_of, sentence_of_all, summary_of
from apps.persistence.store import Outgoing, kv_put

from .log_trust import answering
from .raw_stream import ORDER, OTHER, THIRD, edited, facts, make_chain, outgoing, three_chains
from .rewriting import FORGED, LENGTH, log_anew, messages, put_instead, relinked, sign, verify, without
from .signing_stage import SigningStage, folder, stage

__all__ = ["folder", "messages", "stage"]


# -- what is as it was signed ------------------------------------------------------------------------------------------------------------


async def test_untouched_stream_is_what_was_signed(stage: SigningStage, messages: list[Outgoing]) -> None:
    verdict = await verify(stage)

    assert (verdict.intact, verdict.intact_to, verdict.rests_on) == (True, LENGTH, None)
    assert verdict.log is not None
    assert [(one.source, one.size, one.holds) for one in verdict.log.held] == [("published", LENGTH, True)]
    assert "The first 24 sequences are exactly those that were signed" in verdict.proves[-1]
    assert any("No witness is named" in sentence for sentence in verdict.does_not_prove)


async def test_events_that_came_since_are_said_not_to_be_signed(stage: SigningStage, messages: list[Outgoing]) -> None:
    await stage.raw.write(make_chain(FORGED, 1)[0])

    verdict = await verify(stage)

    assert (verdict.intact, verdict.log and verdict.log.covered) == (True, LENGTH)
    assert any("the 1 newest sequences, after 24, stay as they are" in sentence for sentence in verdict.does_not_prove)


async def test_stream_that_nobody_logs_or_signs_is_no_finding(stage: SigningStage) -> None:
    await stage.raw.write(*three_chains())

    verdict = await verify(stage)

    assert (verdict.intact, verdict.log and verdict.log.held) == (True, ())
    assert "A signed checkpoint shows that" in verdict.does_not_prove[0]
    assert any(sentence.startswith("Not held against everybody: No checkpoint of") for sentence in verdict.does_not_prove)


async def test_stream_whose_witness_is_silent_has_no_finding_and_is_not_called_intact(
    stage: SigningStage, messages: list[Outgoing], folder: SignerFolder
) -> None:
    witness = SigningKey.generate("witness.example", KeyKind.WITNESS).verifier
    trust = Trust(log_key=folder.key.verifier, witness=WitnessClient(url="http://127.0.0.1:1", key=witness))

    verdict = await verify(stage, trust)

    assert (verdict.findings, verdict.log and verdict.log.confirmed) == ((), 0)
    assert any("not confirmed by the witness" in sentence for sentence in verdict.does_not_prove)
    said = f"Nothing wrong, but not confirmed by the witness: {LENGTH} events, sequence 1 to {LENGTH}; as signed up to {LENGTH}."
    assert sentence_of(summary_of(verdict, None)) == said
    assert sentence_of_all([summary_of(verdict, None)], []).startswith(f"Nothing wrong in {LENGTH} events in 1 stream; not confirmed by")


async def test_long_stream_whose_beginning_is_gone_has_the_root_of_its_log(
    stage: SigningStage, folder: SignerFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.persistence.chain.logged.LEAVES_AT_ONCE", 512)
    for _ in range(3):
        await stage.write_many(1000)
    await stage.log()
    await sign(stage, folder)
    await stage.raw.store.connection.api(f"STREAM.PURGE.{stage.stream}", {"seq": 1301})

    verdict = await verify(stage)

    assert verdict.log is not None
    assert [(one.size, one.holds) for one in verdict.log.held] == [(3000, True)]
    assert dict(verdict.by_cause) == {Cause.UNDECODABLE: 1700, Cause.MISSING: 1}


async def test_what_the_limits_of_the_stream_removed_is_told_and_no_finding(stage: SigningStage, messages: list[Outgoing]) -> None:
    connection = stage.raw.store.connection
    config = (await connection.api(f"STREAM.INFO.{stage.stream}"))["config"]
    await connection.api(f"STREAM.UPDATE.{stage.stream}", config | {"max_msgs": 17})

    verdict = await verify(stage)

    assert (verdict.intact, verdict.checked, verdict.log and verdict.log.covered) == (True, 17, LENGTH)
    assert "What was in 7 messages at the beginning, which its limit of messages removed." in verdict.does_not_prove


@pytest.mark.parametrize("tile", ["0/000", "entries/000"])
async def test_damaged_log_is_no_fault_of_the_stream(stage: SigningStage, messages: list[Outgoing], tile: str) -> None:
    key = f"{stage.stream}.tile/{tile}"
    await kv_put(stage.raw.store.connection, TILES_BUCKET, key, b"damaged")

    assert (await verify(stage)).intact


async def test_log_that_says_otherwise_than_what_was_signed_is_damaged(
    stage: SigningStage, folder: SignerFolder, messages: list[Outgoing]
) -> None:
    await put_instead(stage, relinked(messages, 9))
    await log_anew(stage)
    await put_instead(stage, messages)

    verdict = await verify(stage)

    assert verdict.intact
    assert any("The kept log is damaged: 5 of its leaves" in sentence for sentence in verdict.does_not_prove)


# -- what was rewritten ------------------------------------------------------------------------------------------------------------------


async def test_edited_event_is_one_finding(stage: SigningStage, messages: list[Outgoing]) -> None:
    messages[9] = messages[9]._replace(data=edited(Event.from_block(messages[9].data)))
    await put_instead(stage, messages)

    verdict = await verify(stage)

    assert facts(verdict) == [(Cause.CONTENT_CHANGED, ORDER, 4, 10)]
    assert verdict.intact_to == 9


async def test_relinked_event_is_named_with_what_was_signed(stage: SigningStage, messages: list[Outgoing]) -> None:
    await put_instead(stage, relinked(messages, 9))

    verdict = await verify(stage)

    assert facts(verdict) == [(Cause.HISTORY_REWRITTEN, ORDER, 4, 10)]
    assert verdict.findings[0].expected == str(cid_of(messages[9].data))
    assert verdict.rests_on is not None
    assert (verdict.rests_on.sequence, verdict.rests_on.events, verdict.rests_on.aggregates) == (10, 14, 3)


async def test_newest_event_of_an_aggregate_cannot_be_edited_unseen(stage: SigningStage, messages: list[Outgoing]) -> None:
    await put_instead(stage, relinked(messages, 23))

    assert facts(await verify(stage)) == [(Cause.HISTORY_REWRITTEN, THIRD, 8, 24)]


async def test_deleted_and_relinked_event_is_named(stage: SigningStage, messages: list[Outgoing]) -> None:
    await put_instead(stage, without(messages, 10, stage.raw.layout.root))

    verdict = await verify(stage)

    assert [(one.cause, one.sequence) for one in verdict.findings] == [(Cause.TAIL_CUT, 24), (Cause.HISTORY_REWRITTEN, 11)]
    assert (verdict.first_bad_sequence, verdict.intact_to) == (11, 10)


async def test_events_of_two_aggregates_that_changed_places_are_found(stage: SigningStage, messages: list[Outgoing]) -> None:
    messages[12], messages[13] = messages[13], messages[12]
    await put_instead(stage, messages)

    assert facts(await verify(stage)) == [(Cause.HISTORY_REWRITTEN, OTHER, 5, 13)]


async def test_aggregate_that_was_put_into_the_past_is_found(stage: SigningStage, messages: list[Outgoing]) -> None:
    messages.insert(6, outgoing(stage.raw.layout, make_chain(FORGED, 1)[0]))
    await put_instead(stage, messages)

    assert facts(await verify(stage)) == [(Cause.HISTORY_REWRITTEN, FORGED, 1, 7)]


async def test_cut_tail_names_what_was_there(stage: SigningStage, messages: list[Outgoing]) -> None:
    await put_instead(stage, messages[:20])

    verdict = await verify(stage)

    assert facts(verdict) == [(Cause.TAIL_CUT, None, None, 21)]
    assert verdict.findings[0].expected == str(cid_of(messages[20].data))
    assert verdict.log is not None
    assert [one.holds for one in verdict.log.held] == [False]


async def test_deleted_event_is_missing_and_the_first_bad_sequence_is_its_own(stage: SigningStage, messages: list[Outgoing]) -> None:
    await stage.raw.delete(11)

    verdict = await verify(stage)

    assert facts(verdict) == [(Cause.MISSING, OTHER, 4, 14)]
    assert verdict.first_bad_sequence == 11


# -- where the log was rewritten with it --------------------------------------------------------------------------------------------------


async def test_signer_names_what_was_rewritten_in_stream_and_log_alike(
    stage: SigningStage, folder: SignerFolder, messages: list[Outgoing]
) -> None:
    async with answering(stage, folder) as trust:
        await put_instead(stage, relinked(messages, 9))
        await log_anew(stage)

        verdict = await verify(stage, trust)

    assert facts(verdict) == [(Cause.HISTORY_REWRITTEN, ORDER, 4, 10)]
    assert verdict.findings[0].expected == str(cid_of(messages[9].data))
    assert verdict.log is not None
    assert [(one.source, one.holds) for one in verdict.log.held] == [("published", False), ("signer", False)]


async def test_event_that_was_deleted_from_stream_and_log_is_one_finding(
    stage: SigningStage, folder: SignerFolder, messages: list[Outgoing]
) -> None:
    async with answering(stage, folder) as trust:
        await stage.raw.delete(11)
        await log_anew(stage)

        verdict = await verify(stage, trust)

    assert facts(verdict) == [(Cause.MISSING, OTHER, 4, 14)]


async def test_signer_names_what_was_rewritten_before_a_cut(stage: SigningStage, folder: SignerFolder, messages: list[Outgoing]) -> None:
    async with answering(stage, folder) as trust:
        await put_instead(stage, relinked(messages, 9)[:20])
        await log_anew(stage)

        verdict = await verify(stage, trust)

    assert facts(verdict) == [(Cause.TAIL_CUT, None, None, 21), (Cause.HISTORY_REWRITTEN, ORDER, 4, 10)]


async def test_without_a_signer_the_checkpoints_leave_a_range(stage: SigningStage, folder: SignerFolder) -> None:
    messages = [outgoing(stage.raw.layout, event) for event in three_chains()]
    await stage.raw.put(*messages[:9])
    await stage.log()
    await sign(stage, folder)
    await stage.raw.put(*messages[9:])
    await stage.log()
    await sign(stage, folder)
    await put_instead(stage, relinked(messages, 12))
    await log_anew(stage)

    verdict = await verify(stage)

    assert facts(verdict) == [(Cause.HISTORY_REWRITTEN, None, None, 10)]
    assert "Somewhere in sequence 10 to 24 history was rewritten" in verdict.findings[0].explanation


async def test_checkpoint_that_a_person_brought_is_held_against_as_well(stage: SigningStage, messages: list[Outgoing]) -> None:
    other = Checkpoint(origin="cim/x", size=12, root=b"r" * 32)
    brought = Anchors(found=(Anchor(source=AnchorSource.BROUGHT, checkpoint=other, at=None, who="auditor"),), missing=())

    verdict = await verify_stream(stage.raw.store, anchors=brought)

    assert [one.cause for one in verdict.findings] == [Cause.HISTORY_REWRITTEN]


async def test_log_by_another_key_is_not_trusted(stage: SigningStage, messages: list[Outgoing]) -> None:
    told = Trust(log_key=SigningKey.generate("cim", KeyKind.LOG).verifier)

    verdict = await verify(stage, told)

    assert [one.cause for one in verdict.findings] == [Cause.NOT_TRUSTED]
    assert "this process was told" in verdict.findings[0].explanation
