"""The signer answers fresh and signed what it signed last and what differs now, and a verdict gathers who says what the log was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apps.persistence.encoding import cid_of, encode
from apps.persistence.errors import InvalidInput, Unavailable
from apps.persistence.events import now
from apps.persistence.log.anchors import AnchorSource, ask_signer, read_anchors
from apps.persistence.log.answers import Question, asked_subject, open_answer, parse_question, sign_answer
from apps.persistence.log.checkpoints import Checkpoint, open_checkpoint, sign_checkpoint, sign_text
from apps.persistence.log.kept import logged_leaves
from apps.persistence.log.keys import KeyKind, SigningKey
from apps.persistence.log.leaves import leaf_bytes
from apps.persistence.log.notes import parse_note
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signer import SignerFolder
from apps.persistence.log.signing import Signer
from apps.persistence.log.tiles import entry_bundle
from apps.persistence.log.trust import NO_TRUST, Trust
from apps.persistence.log.witness_client import WitnessClient
from apps.persistence.store import kv_put
from apps.persistence.store.connection import open_connection
from apps.persistence.store.embedded import EmbeddedServer

from .log_trust import answering, witness_at
from .raw_stream import edited, outgoing, three_chains
from .signing_stage import SigningStage, folder, stage

__all__ = ["folder", "stage"]


# -- what the signer answers -----------------------------------------------------------------------------------------------------------


async def test_signer_answers_what_it_signed_last(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    async with answering(stage, folder) as trust:
        before = await ask_signer(stage.raw.store.connection, stage.stream, trust)
        signed = await stage.sign(stage.signer_of(folder))
        after = await ask_signer(stage.raw.store.connection, stage.stream, trust, compare=True)

    assert before.size == 0
    assert (after.size, after.root, after.difference) == (24, signed.root, None)


async def test_web_process_may_ask(nats_server: EmbeddedServer, stage: SigningStage, folder: SignerFolder) -> None:
    async with answering(stage, folder) as trust, open_connection(nats_server.settings("web")) as connection:
        answer = await ask_signer(connection, stage.stream, trust)

    assert answer.size == 0


async def test_first_changed_sequence_is_named_where_everything_was_rewritten_alike(stage: SigningStage, folder: SignerFolder) -> None:
    events = three_chains()
    await stage.raw.write(*events)
    await stage.log()
    await stage.sign(stage.signer_of(folder))
    await stage.made_anew()
    await stage.forget_log()
    forged = outgoing(stage.raw.layout, events[9])._replace(data=edited(events[9]))
    await stage.raw.put(*(forged if number == 9 else outgoing(stage.raw.layout, event) for number, event in enumerate(events)))
    await stage.log()

    async with answering(stage, folder) as trust:
        answer = await ask_signer(stage.raw.store.connection, stage.stream, trust, compare=True)

    assert answer.difference is not None
    assert answer.difference.sequence == 10
    assert answer.difference.expected != answer.difference.found


async def test_event_that_is_gone_and_was_logged_is_no_difference(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await stage.sign(stage.signer_of(folder))
    await stage.raw.delete(5)

    async with answering(stage, folder) as trust:
        answer = await ask_signer(stage.raw.store.connection, stage.stream, trust, compare=True)

    assert answer.difference is None


@pytest.mark.parametrize("is_lost", [True, False])
async def test_event_that_is_gone_and_was_logged_otherwise_is_the_difference(
    stage: SigningStage, folder: SignerFolder, is_lost: bool
) -> None:
    await stage.write()
    await stage.sign(stage.signer_of(folder))
    await stage.raw.delete(5)
    connection, key = stage.raw.store.connection, f"{stage.stream}.tile/entries/000"
    leaves = await logged_leaves(connection, stage.stream, first=1, last=24)
    other = cid_of(b"other")
    changed = (
        [leaf or b"" for leaf in leaves[:4]]
        if is_lost
        else [leaf_bytes(5, other) if n == 4 else leaf or b"" for n, leaf in enumerate(leaves)]
    )
    await kv_put(connection, "cim-log-tiles", key, entry_bundle(changed))

    async with answering(stage, folder) as trust:
        answer = await ask_signer(connection, stage.stream, trust, compare=True)

    assert answer.difference is not None
    assert (answer.difference.sequence, answer.difference.found) == (5, None if is_lost else other)


async def test_tail_that_was_cut_is_the_difference(stage: SigningStage, folder: SignerFolder) -> None:
    events = three_chains()
    await stage.raw.write(*events)
    await stage.log()
    await stage.sign(stage.signer_of(folder))
    await stage.made_anew()
    await stage.raw.write(*events[:20])

    async with answering(stage, folder) as trust:
        answer = await ask_signer(stage.raw.store.connection, stage.stream, trust, compare=True)

    assert answer.difference is not None
    assert (answer.difference.sequence, answer.difference.found) == (21, None)


async def test_signer_that_is_away_is_told(stage: SigningStage, folder: SignerFolder) -> None:
    await publish_keys(stage.connection, folder.database.vkeys())

    with pytest.raises(Unavailable, match="No signer answers"):
        await ask_signer(stage.raw.store.connection, stage.stream, Trust(log_key=folder.key.verifier))


@asynccontextmanager
async def saying(stage: SigningStage, note: bytes) -> AsyncIterator[None]:
    """Somebody who may listen answers each question with this."""
    connection = stage.raw.store.connection
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def answer() -> None:
        while True:
            await connection.publish(await asked.get(), note)

    async with connection.subscribe(asked_subject(stage.stream), lambda message: asked.put_nowait(message.reply)):
        task = asyncio.create_task(answer())
        yield
        task.cancel()


async def test_answer_that_somebody_kept_is_not_believed(stage: SigningStage, folder: SignerFolder) -> None:
    await publish_keys(stage.connection, folder.database.vkeys())
    origin = f"{folder.key.name}/{stage.stream}"
    checkpoint = Checkpoint(origin=origin, size=3, root=bytes(32))
    old = sign_answer(checkpoint, Question(nonce=bytes(16)), folder.key.named(origin)).raw

    async with saying(stage, old):
        with pytest.raises(InvalidInput, match="one to another question, which somebody kept"):
            await ask_signer(stage.raw.store.connection, stage.stream, Trust(log_key=folder.key.verifier), timeout_seconds=0.5)


async def test_false_answers_do_not_hide_the_true_one(stage: SigningStage, folder: SignerFolder) -> None:
    async with saying(stage, b"nonsense"), answering(stage, folder) as trust:
        answer = await ask_signer(stage.raw.store.connection, stage.stream, trust)

    assert answer.size == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        encode({}),
        encode({"nonce": bytes(16)}),
        encode({"nonce": bytes(15), "compare": False}),
        encode({"nonce": "x" * 16, "compare": False}),
        encode({"nonce": bytes(16), "compare": 1}),
        encode({"nonce": bytes(16), "compare": True, "more": 1}),
        encode({"nonce": bytes(16), "compare": True, "after": 1}),
        encode({"nonce": bytes(16), "compare": False, "after": -1}),
        encode({"nonce": bytes(16), "compare": False, "after": "1"}),
        encode({"nonce": bytes(16), "compare": False, "after": None}),
        encode([]),
    ],
)
def test_question_in_another_form_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput, match="question to the signer"):
        parse_question(raw)


def test_answer_is_no_checkpoint_and_a_checkpoint_no_answer() -> None:
    signing = SigningKey.generate("cim-0000/S", KeyKind.LOG)
    checkpoint = Checkpoint(origin="cim-0000/S", size=3, root=bytes(32))
    answer = sign_answer(checkpoint, Question(nonce=bytes(16)), signing)

    with pytest.raises(InvalidInput, match="no checkpoint of ours"):
        open_checkpoint(answer.raw, [signing.verifier])
    with pytest.raises(InvalidInput, match="is no answer of a signer"):
        open_answer(sign_checkpoint(checkpoint, signing).raw, Question(nonce=bytes(16)), [signing.verifier], origin="cim-0000/S", at=now())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n3\n", "\n03\n"),
        ("cim-answer/1", "cim-answer/2"),
        ("differs 2 none none", "differs 02 none none"),
        ("none none", "none nonsense"),
        ("differs 2 none none", "leaves AAAA"),
        ("differs 2 none none", "leaves "),
    ],
)
def test_answer_in_another_spelling_is_refused(old: str, new: str) -> None:
    signing = SigningKey.generate("cim-0000/S", KeyKind.LOG)
    question = Question(nonce=bytes(16), compare=True)
    text = f"cim-answer/1\ncim-0000/S\n{bytes(16).hex()}\n3\n{'A' * 43}=\ndiffers 2 none none\n"

    def note(body: str) -> bytes:
        return parse_note(f"{body}\n{sign_text(body, signing).line}".encode()).raw

    at = now()
    assert open_answer(note(text), question, [signing.verifier], origin="cim-0000/S", at=at).size == 3
    with pytest.raises(InvalidInput):
        open_answer(note(text.replace(old, new)), question, [signing.verifier], origin="cim-0000/S", at=at)


# -- all together ----------------------------------------------------------------------------------------------------------------------


async def test_checkpoint_signer_and_witness_say_the_same(stage: SigningStage, folder: SignerFolder, tmp_path: Path) -> None:
    await stage.write()
    with witness_at(tmp_path / "witness", folder.key.verifier) as named:
        witness = WitnessClient.parse(named)
        async with answering(stage, folder):
            signed = await stage.sign(Signer(stage.connection, folder.database, folder.key, witness=witness, clock=lambda: stage.now))
            trust = Trust(log_key=folder.key.verifier, witness=WitnessClient.parse(named))
            found = await read_anchors(stage.raw.store.connection, stage.stream, trust)

    assert found.missing == ()
    assert [one.source for one in found.found] == [AnchorSource.PUBLISHED, AnchorSource.SIGNER, AnchorSource.WITNESS]
    assert {(one.checkpoint.size, one.checkpoint.root) for one in found.found} == {(24, signed.root)}
    assert found.found[2].who == "witness.example"


async def test_each_that_is_missing_is_told(stage: SigningStage, folder: SignerFolder, tmp_path: Path) -> None:
    connection = stage.raw.store.connection
    with witness_at(tmp_path / "witness", folder.key.verifier) as named:
        async with answering(stage, folder):
            empty = await read_anchors(connection, stage.stream, Trust.parse(log_key=folder.key.verifier.vkey, witness=named))
    away = await read_anchors(connection, stage.stream, NO_TRUST)

    assert [len(empty.found), len(away.found)] == [0, 0]
    for said, expected in zip(empty.missing, ("No checkpoint of", "The signer has signed nothing", "has seen no checkpoint"), strict=True):
        assert expected in said
    assert any("No witness is named" in said for said in away.missing)
