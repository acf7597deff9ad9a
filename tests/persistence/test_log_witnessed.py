"""The signer has its checkpoints cosigned by a witness, believes only its known key, and stops where the witness has seen more."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apps.persistence.errors import HistoryRewritten, InvalidInput
from apps.persistence.log import coverage as coverage_module
from apps.persistence.log.checkpoints import Checkpoint, sign_checkpoint
from apps.persistence.log.coverage import read_coverage
from apps.persistence.log.keys import KeyKind, SigningKey
from apps.persistence.log.published import publish_keys, read_published
from apps.persistence.log.signer import SignerFolder, open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.log.trust import Trust
from apps.persistence.log.witness_client import WitnessClient

from .log_trust import witness_at
from .signing_stage import SigningStage, folder, stage

__all__ = ["folder", "stage"]


def signer_with(stage: SigningStage, folder: SignerFolder, witness: str) -> Signer:
    client = WitnessClient.parse(witness)
    return Signer(stage.connection, folder.database, folder.key, witness=client, clock=lambda: stage.now)


def port_of(witness: str) -> int:
    return urlsplit(witness.split(" ")[0]).port or 0


async def test_cosignature_is_joined_to_each_checkpoint(stage: SigningStage, folder: SignerFolder, tmp_path: Path) -> None:
    await stage.write()
    with witness_at(tmp_path / "witness", folder.key.verifier) as witness:
        signer = signer_with(stage, folder, witness)
        await publish_keys(stage.connection, folder.database.vkeys(), [witness.split(" ")[1]])
        await stage.sign(signer)
        await stage.write_one()
        await stage.sign(signer)

    found = await read_coverage(stage.connection, stage.stream)
    assert found.checkpoint is not None
    assert found.covered == 25
    assert [one.key.name for one in found.checkpoint.witnesses] == ["witness.example"]


async def test_signer_that_starts_again_learns_what_the_witness_has_seen(stage: SigningStage, folder: SignerFolder, tmp_path: Path) -> None:
    await stage.write()
    with witness_at(tmp_path / "witness", folder.key.verifier) as witness:
        await stage.sign(signer_with(stage, folder, witness))
        await stage.write_one()

        signed = await stage.sign(signer_with(stage, folder, witness))

    assert signed.size == 25


async def test_history_that_was_rolled_back_with_its_signer_is_not_signed(stage: SigningStage, tmp_path: Path) -> None:
    await stage.write()
    with open_signer_folder(stage.folder) as folder:
        key = folder.key.verifier
    shutil.copytree(stage.folder, tmp_path / "old")
    with witness_at(tmp_path / "witness", key) as witness:
        with open_signer_folder(stage.folder) as folder:
            await stage.sign(signer_with(stage, folder, witness))
        purge = {"filter": f"$KV.cim-log-checkpoints.{stage.stream}"}
        await stage.raw.store.connection.api("STREAM.PURGE.KV_cim-log-checkpoints", purge)
        await stage.raw.store.connection.api("STREAM.PURGE.KV_cim-log-tiles", {"filter": f"$KV.cim-log-tiles.{stage.stream}"})
        await stage.made_anew()
        await stage.write_one()

        with open_signer_folder(tmp_path / "old") as old, pytest.raises(HistoryRewritten, match="has seen 24 events"):
            await stage.sign(signer_with(stage, old, witness))


async def test_checkpoint_is_published_without_a_witness_that_is_away(stage: SigningStage, folder: SignerFolder, tmp_path: Path) -> None:
    await stage.write()
    with witness_at(tmp_path / "witness", folder.key.verifier) as witness:
        pass

    signed = await stage.sign(signer_with(stage, folder, witness))

    assert signed.size == 24


async def test_witness_that_comes_back_cosigns_what_was_signed_meanwhile_though_no_event_comes(
    stage: SigningStage, folder: SignerFolder, tmp_path: Path
) -> None:
    await stage.write()
    with witness_at(tmp_path / "witness", folder.key.verifier) as witness:
        signer, trust = signer_with(stage, folder, witness), Trust.parse(witness=witness)
        await publish_keys(stage.connection, folder.database.vkeys(), signer.witness_vkeys)
        await stage.sign(signer)
    await stage.write_one()
    await stage.sign(signer)
    before = await read_coverage(stage.connection, stage.stream, trust)
    with witness_at(tmp_path / "witness", folder.key.verifier, port=port_of(witness)):
        stage.now += 4
        await signer.look(stage.stream)
        early = await read_coverage(stage.connection, stage.stream, trust)
        stage.now += 1
        await signer.look(stage.stream)

    after = await read_coverage(stage.connection, stage.stream, trust)
    assert [one.cosigned for one in (before, early, after)] == [0, 0, 1]
    assert (after.covered, after.unwitnessed_since) == (25, None)
    signed = await read_published(stage.connection, stage.stream)
    await signer.look(stage.stream)
    assert await read_published(stage.connection, stage.stream) == signed


async def test_signer_that_starts_has_what_its_witness_missed_cosigned(stage: SigningStage, folder: SignerFolder, tmp_path: Path) -> None:
    await stage.write()
    await stage.sign(stage.signer_of(folder))
    with witness_at(tmp_path / "witness", folder.key.verifier) as witness:
        signer = signer_with(stage, folder, witness)
        await publish_keys(stage.connection, folder.database.vkeys(), signer.witness_vkeys)
        await signer.look(stage.stream)

    assert (await read_coverage(stage.connection, stage.stream)).cosigned == 1


async def test_witness_that_is_back_and_has_seen_more_is_an_alarm_though_no_event_comes(
    stage: SigningStage, folder: SignerFolder, tmp_path: Path
) -> None:
    await stage.write()
    with witness_at(tmp_path / "witness", folder.key.verifier) as witness:
        pass
    signer = signer_with(stage, folder, witness)
    await stage.sign(signer)
    own = folder.key.named(f"{folder.key.name}/{stage.stream}")
    ahead = sign_checkpoint(Checkpoint(origin=own.name, size=30, root=bytes(32)), own).raw
    with witness_at(tmp_path / "witness", folder.key.verifier, port=port_of(witness)):
        await WitnessClient.parse(witness).cosign(stage.connection, stage.stream, ahead)
        stage.now += 5
        with pytest.raises(HistoryRewritten, match="has seen 30 events"):
            await signer.look(stage.stream)


@pytest.mark.parametrize("is_named", [True, False])
async def test_checkpoints_without_their_witness_are_an_alarm_after_a_minute_and_not_before(
    stage: SigningStage, folder: SignerFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    await stage.write()
    with witness_at(tmp_path / "witness", folder.key.verifier) as witness:
        pass
    signer = signer_with(stage, folder, witness)
    await publish_keys(stage.connection, folder.database.vkeys(), signer.witness_vkeys if is_named else ())
    await stage.sign(signer)
    first = await read_published(stage.connection, stage.stream)
    await stage.write_one()
    await stage.sign(signer)
    assert first is not None

    found = await read_coverage(stage.connection, stage.stream)
    at_once = found.alarm
    monkeypatch.setattr(coverage_module, "LATE_SECONDS", 0)
    await asyncio.sleep(0.01)

    assert at_once == ""
    assert found.unwitnessed_since == (first.at if is_named else None)
    assert found.alarm == (f"no witness since {first.at:%Y-%m-%d %H:%M} UTC" if is_named else "")


async def test_witness_with_another_key_than_was_said_is_not_believed(stage: SigningStage, folder: SignerFolder, tmp_path: Path) -> None:
    await stage.write()
    other = SigningKey.generate("witness.example", KeyKind.WITNESS).verifier.vkey
    with (
        witness_at(tmp_path / "witness", folder.key.verifier) as witness,
        pytest.raises(InvalidInput, match="signs by another key"),
    ):
        await stage.sign(signer_with(stage, folder, f"{witness.split(' ')[0]} {other}"))


async def test_checkpoint_that_was_signed_and_not_published_is_published_by_the_next_signer(
    stage: SigningStage, folder: SignerFolder, tmp_path: Path
) -> None:
    await stage.write()
    stranger = SigningKey.generate("cim-0000", KeyKind.LOG).verifier
    with witness_at(tmp_path / "witness", stranger) as witness, pytest.raises(InvalidInput):
        await stage.sign(signer_with(stage, folder, witness))

    await stage.sign(stage.signer_of(folder))

    assert (await stage.published(stage.signer_of(folder))).checkpoint.size == 24


async def test_witness_that_does_not_know_the_log_refuses(stage: SigningStage, folder: SignerFolder, tmp_path: Path) -> None:
    await stage.write()
    stranger = SigningKey.generate("cim-0000", KeyKind.LOG).verifier
    with witness_at(tmp_path / "witness", stranger) as witness, pytest.raises(InvalidInput, match=r"refuses the checkpoint .* \(404\)"):
        await stage.sign(signer_with(stage, folder, witness))


@pytest.mark.parametrize("text", ["", "http://127.0.0.1:1/", "ftp://a b", "http:// x+y+z", "http://127.0.0.1:1/ no-key"])
def test_witness_that_is_named_in_another_way_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        WitnessClient.parse(text)


def test_key_of_a_log_is_no_witness() -> None:
    with pytest.raises(InvalidInput, match="no key of a witness"):
        WitnessClient.parse(f"http://127.0.0.1:1/ {SigningKey.generate('cim-0000', KeyKind.LOG).verifier.vkey}")
