"""Appending, deleting, logging and signing at the same time never raise an alarm where nobody cheats."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apps.persistence.log.comparison import compare_with_stream
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.judging import Standing, judge_checkpoint
from apps.persistence.log.published import publish_keys, published_before
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.store import Outgoing, get_stream
from apps.persistence.store.embedded import EmbeddedServer

from .signing_stage import SigningStage, open_signing_stage

ROUNDS = int(os.environ.get("CIM_LOG_ROUNDS", "2"))
WRITES = 120


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    async with open_signing_stage(nats_server, tmp_path) as opened:
        yield opened


async def write_and_delete(stage: SigningStage, chance: random.Random) -> None:
    """Messages in no order of subjects; now and then one of them, also the newest, is deleted."""
    for number in range(WRITES):
        subject = f"{stage.raw.layout.root}.n{chance.randrange(10_000)}.{number}"
        (sequence,) = await stage.raw.put(Outgoing(subject, chance.randbytes(20), {}))
        if chance.random() < 0.3:
            await stage.raw.store.connection.request(
                f"$JS.API.STREAM.MSG.DELETE.{stage.stream}", b'{"seq": %d}' % max(1, sequence - chance.randrange(5))
            )


async def log_until(stage: SigningStage, done: asyncio.Event) -> None:
    feeder = LogFeeder(stage.raw.store.connection, stage.stream)
    while not done.is_set():
        await feeder.feed()
        await asyncio.sleep(0)


async def sign_until(stage: SigningStage, signer: Signer, done: asyncio.Event) -> None:
    while not done.is_set():
        stage.now += 10
        await signer.look(stage.stream)
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_honest_stream_is_signed_to_its_end_without_an_alarm(stage: SigningStage, seed: int) -> None:
    done = asyncio.Event()
    with open_signer_folder(stage.folder) as opened:
        signer = stage.signer_of(opened)
        await publish_keys(stage.connection, opened.database.vkeys())
        async with asyncio.TaskGroup() as group:
            group.create_task(log_until(stage, done))
            group.create_task(sign_until(stage, signer, done))
            await write_and_delete(stage, random.Random(seed))
            done.set()
        await stage.log()
        stage.now += 3600
        signed = await signer.look(stage.stream)

    assert signed is not None
    last = (await get_stream(stage.connection, stage.stream)).last_sequence
    compared = await compare_with_stream(stage.connection, stage.stream, last=last, signed=signed)
    kept = await published_before(stage.connection, stage.stream)
    judged = [await judge_checkpoint(stage.connection, stage.stream, one.note) for one in kept]
    assert (signed.size, compared.agrees) == (last, True)
    assert {one.standing for one in judged} == {Standing.EXTENDED}
