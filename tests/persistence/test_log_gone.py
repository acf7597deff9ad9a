"""Checkpoints that were published and are gone are published again by the signer, which has what it signed on its own disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apps.persistence.errors import StreamNotFound
from apps.persistence.log.published import ensure_checkpoints
from apps.persistence.log.signer import sign_or_refuse
from apps.persistence.store import kv_delete, kv_put
from apps.persistence.store.embedded import EmbeddedServer

from .signing_stage import SigningStage, open_signing_stage


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    async with open_signing_stage(nats_server, tmp_path) as opened:
        yield opened


async def test_checkpoints_whose_bucket_was_deleted_are_published_again_at_once(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
        await stage.raw.store.connection.api("STREAM.DELETE.KV_cim-log-checkpoints")
        with pytest.raises(StreamNotFound):
            await signer.look(stage.stream)
        await ensure_checkpoints(stage.raw.store.connection)

        assert await sign_or_refuse(stage.connection, signer, stage.stream) == ""
        assert (await stage.published(signer)).checkpoint.size == 24
        assert await signer.look(stage.stream) is None


@pytest.mark.parametrize("in_its_place", [None, b"garbage", b""])
async def test_checkpoint_that_was_replaced_by_nothing_signed_is_published_again_at_once(
    stage: SigningStage, in_its_place: bytes | None
) -> None:
    await stage.write()
    connection = stage.raw.store.connection
    with stage.signer() as signer:
        await stage.sign(signer)
        if in_its_place is None:
            await kv_delete(connection, "cim-log-checkpoints", stage.stream)
        else:
            await kv_put(connection, "cim-log-checkpoints", stage.stream, in_its_place)

        assert await sign_or_refuse(stage.connection, signer, stage.stream) == ""
        assert (await stage.published(signer)).checkpoint.size == 24


async def test_signer_that_starts_beside_what_is_no_note_goes_on(stage: SigningStage) -> None:
    await stage.write()
    with stage.signer() as signer:
        await stage.sign(signer)
    await kv_put(stage.raw.store.connection, "cim-log-checkpoints", stage.stream, b"garbage")

    with stage.signer() as again:
        assert await sign_or_refuse(stage.connection, again, stage.stream) == ""
        assert (await stage.published(again)).checkpoint.size == 24
