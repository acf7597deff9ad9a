"""A key that another one followed signs nothing more: what it signed until then counts, and what a thief signs with it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from apps.persistence.errors import InvalidInput, Unavailable
from apps.persistence.log import Checkpoint, SigningKey, open_checkpoint, sign_checkpoint, sign_rotation
from apps.persistence.log.anchors import ask_signer
from apps.persistence.log.answering import answer_questions
from apps.persistence.log.coverage import read_coverage
from apps.persistence.log.judging import Standing, judge_checkpoint
from apps.persistence.log.published import Published, keys_from, publish_checkpoint, publish_keys, read_published
from apps.persistence.log.signer import change_key, open_signer_folder, sign_or_refuse
from apps.persistence.log.signing import Signer
from apps.persistence.log.trust import NO_TRUST, Trust, trusted_keys
from apps.persistence.log.witness_client import WitnessClient
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer.evidence_verifier import verify
from cimadmin.up_log import make_log_keys, publish_new_key

from .evidence_stage import evidence_of, messages_of
from .log_trust import witness_at
from .made_evidence import first_rotation
from .signing_stage import SigningStage, stage

__all__ = ["stage"]


async def changed(stage: SigningStage) -> tuple[SigningKey, SigningKey, bytes]:
    """Twenty-four events signed, then the key changed and published: the old key, the new one, and the checkpoint of before."""
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
    kept = (await published(stage)).note
    old, new = change_key(stage.folder)
    with open_signer_folder(stage.folder) as folder:
        await publish_keys(stage.connection, folder.database.vkeys())
    return old, new, kept


async def published(stage: SigningStage) -> Published:
    found = await read_published(stage.raw.store.connection, stage.stream, leader=True)
    assert found is not None
    return found


def stolen(stage: SigningStage, key: SigningKey, size: int) -> bytes:
    """A checkpoint of another history, by a key that somebody stole."""
    own = key.named(f"{key.name}/{stage.stream}")
    return sign_checkpoint(Checkpoint(origin=own.name, size=size, root=b"s" * 32), own).raw


async def test_checkpoint_that_a_thief_publishes_after_the_change_does_not_hold(stage: SigningStage) -> None:
    old, new, _ = await changed(stage)
    await stage.write_one()
    await publish_checkpoint(stage.connection, stage.stream, stolen(stage, old, 25), revision=(await published(stage)).revision)

    for trust in (NO_TRUST, Trust(log_key=old.verifier), Trust(log_key=new.verifier)):
        found = await read_coverage(stage.raw.store.connection, stage.stream, trust)
        assert (found.covered, found.alarm) == (0, "its checkpoint does not hold")
        assert "signed it last at 24" in found.problem
        assert "whoever has the old key signed this after the change" in found.problem
    with stage.signer() as signer:
        stage.now += 11
        assert "whoever has the old key" in await sign_or_refuse(stage.connection, signer, stage.stream)


@pytest.mark.parametrize(("size", "standing"), [(24, Standing.REFUSED), (25, Standing.REFUSED), (23, Standing.REWRITTEN)])
async def test_checkpoint_that_somebody_brings_counts_up_to_the_change(stage: SigningStage, size: int, standing: Standing) -> None:
    old, new, kept = await changed(stage)
    await stage.write_one()
    with stage.signer() as signer:
        await stage.sign(signer)
    trust, connection = Trust(log_key=new.verifier), stage.raw.store.connection

    assert (await judge_checkpoint(connection, stage.stream, kept, trust)).standing is Standing.EXTENDED
    assert (await judge_checkpoint(connection, stage.stream, stolen(stage, old, size), trust)).standing is standing


async def test_stream_that_came_after_the_change_is_none_of_the_old_key(stage: SigningStage) -> None:
    with stage.signer() as signer:
        first = signer.keys
    old, _ = change_key(stage.folder)
    with open_signer_folder(stage.folder) as folder:
        keys = keys_from(first.vkeys[0], [note for _, note in folder.database.vkeys()[1:]])

    with pytest.raises(InvalidInput, match="signed nothing of it before another key followed it"):
        keys.open(stage.stream, stolen(stage, old, 1))


async def test_next_change_ends_older_keys_whose_change_did_not_say_what_they_signed(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        last = await stage.sign(signer)
        name = signer.keys.name
    keys = [SigningKey.generate(name, signer.keys.vkeys[0].kind) for _ in range(3)]
    before = first_rotation(keys[0], keys[1])
    note = stolen(stage, keys[0], 25)

    keys_from(keys[0].verifier, [before]).open(stage.stream, note)
    with pytest.raises(InvalidInput, match="signed it last at 24"):
        keys_from(keys[0].verifier, [before, sign_rotation(keys[1], keys[2], [last]).raw]).open(stage.stream, note)


async def test_retired_key_answers_nothing(stage: SigningStage) -> None:
    old, _, _ = await changed(stage)

    async def refusal() -> str:
        try:
            await ask_signer(stage.raw.store.connection, stage.stream, Trust(log_key=old.verifier), timeout_seconds=0.5)
        except InvalidInput as error:
            return str(error)
        except Unavailable:
            await asyncio.sleep(0.05)
        return ""

    with open_signer_folder(stage.folder) as folder:
        task = asyncio.create_task(answer_questions(stage.connection, folder.database, old, stage.signer_of(folder).find_difference))
        said = ""
        for _ in range(600):
            if said := await refusal():
                break
        task.cancel()

    assert "signed by no key that signs for" in said
    assert "published another successor" in said


async def test_new_key_signs_at_once_what_the_old_one_signed_and_the_witness_takes_it_alone(stage: SigningStage, tmp_path: Path) -> None:
    await stage.write()
    with open_signer_folder(stage.folder) as folder, witness_at(tmp_path / "witness", folder.key.verifier) as witness:
        client = WitnessClient.parse(witness)
        await stage.sign(Signer(stage.connection, folder.database, folder.key, witness=client, clock=lambda: stage.now))
    old, new = change_key(stage.folder)

    with open_signer_folder(stage.folder) as folder, witness_at(tmp_path / "witness", new.verifier) as witness:
        client = WitnessClient.parse(witness)
        await publish_keys(stage.connection, folder.database.vkeys(), [client.key.vkey])
        signed = await Signer(stage.connection, folder.database, folder.key, witness=client, clock=lambda: stage.now).look(stage.stream)
        note = (await published(stage)).note
        origin = f"{new.name}/{stage.stream}"
        with pytest.raises(InvalidInput, match=r"refuses the checkpoint .* \(403\)"):
            await client.cosign(stage.connection, stage.stream, stolen(stage, old, 24))

    assert signed is not None
    assert signed.size == 24
    opened = open_checkpoint(note, [new.verifier.named(origin), client.key])
    assert [one.key for one in opened.signatures] == [new.verifier.named(origin), client.key]


async def test_evidence_goes_on_from_a_checkpoint_of_the_old_key_for_whoever_knows_the_new_one(stage: SigningStage) -> None:
    old, new, kept = await changed(stage)
    await stage.write_one()
    with stage.signer() as signer:
        await stage.sign(signer)
    messages = (await messages_of(stage))[:24]

    data = (await evidence_of(stage, messages, since=kept.decode())).data

    for key in (old, new):
        assert any("begins with the 24 leaves" in line for line in verify(data, [key.verifier.vkey]))


async def test_other_successor_of_an_older_key_is_named_to_whoever_was_told_the_newest(stage: SigningStage) -> None:
    old, new, _ = await changed(stage)
    other = SigningKey.generate(old.name, old.kind)
    await publish_keys(stage.connection, [(old.verifier.vkey, b""), (other.verifier.vkey, sign_rotation(old, other).raw)])

    with pytest.raises(InvalidInput, match="an older key of it let another one follow"):
        await trusted_keys(stage.raw.store.connection, Trust(log_key=new.verifier))


async def test_new_key_is_published_before_anybody_is_told_it(stage: SigningStage, nats_server: EmbeddedServer, tmp_path: Path) -> None:
    make_log_keys(tmp_path, port=8400, is_witness_named=True)
    with open_signer_folder(tmp_path / "signer") as folder:
        await publish_keys(stage.connection, folder.database.vkeys())
    change_key(tmp_path / "signer")
    keys = make_log_keys(tmp_path, port=8400, is_witness_named=True)
    assert keys is not None

    await asyncio.to_thread(publish_new_key, keys, nats_server.settings("signer"))

    found = await trusted_keys(stage.raw.store.connection, Trust.parse(log_key=keys.environment["CIM_LOG_KEY"]))
    assert found is not None
    assert [key.vkey for key in found.vkeys] == [vkey for vkey, _ in keys.known]
