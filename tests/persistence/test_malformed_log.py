"""What is no state of a kept tree is named, keeps nothing else from going on, and `check-log` makes it anew."""

from __future__ import annotations

import pytest

from apps.persistence.chain import verify_stream
from apps.persistence.console import load_registry
from apps.persistence.errors import InvalidInput
from apps.persistence.log.coverage import read_coverage
from apps.persistence.log.kept import TILES_BUCKET, read_log
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signer import SignerFolder, sign_or_refuse
from apps.persistence.log.trust import NO_TRUST
from apps.persistence.operations import CheckLog
from apps.persistence.store import kv_put
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.operation import Outcome

from .engine_stage import Stage
from .malformed import SPOILED, spoil
from .operating import carry_out
from .raw_stream import edited, open_raw_stream, outgoing, three_chains
from .signing_stage import SigningStage, folder, stage
from .test_log_worker import logged

__all__ = ["folder", "stage"]


async def check(stage: SigningStage, *, mend: bool) -> Outcome:
    return await carry_out(stage.raw.store, load_registry([]), CheckLog(stream=stage.stream, mend=mend))


async def write_and_sign(stage: SigningStage, folder: SignerFolder) -> None:
    await stage.write()
    await publish_keys(stage.connection, folder.database.vkeys())
    await stage.sign(stage.signer_of(folder))


@pytest.mark.parametrize("shape", SPOILED)
async def test_state_that_cannot_be_read_is_named_with_what_to_do_and_made_anew(
    stage: SigningStage, folder: SignerFolder, shape: str
) -> None:
    await write_and_sign(stage, folder)
    connection, stream, signer = stage.raw.store.connection, stage.stream, stage.signer_of(folder)
    before = await read_log(connection, stream)
    named = f"What cim-log-tiles holds of {stream} cannot be read"
    await spoil(connection, TILES_BUCKET, stream, shape)

    coverage = await read_coverage(connection, stream)
    refusal = await sign_or_refuse(stage.connection, signer, stream)
    with pytest.raises(InvalidInput, match=named):
        await stage.log()
    with pytest.raises(InvalidInput, match=named):
        await check(stage, mend=False)
    outcome = await check(stage, mend=True)
    after = await read_log(connection, stream)

    assert (coverage.kept, coverage.alarm) == (None, "its kept log cannot be read")
    assert coverage.kept_problem.startswith(named)
    assert f"Start check-log of {stream} with mend" in coverage.kept_problem
    assert refusal.startswith(named)
    assert before is not None
    assert after is not None
    assert (after.size, after.root) == (before.size, before.root)
    assert "the root that was signed for 24 events. Its state could not be read, and the stream was logged again." in outcome.sentence
    assert await sign_or_refuse(stage.connection, signer, stream) == ""
    assert (await read_coverage(connection, stream)).alarm == ""


async def test_what_is_gone_is_logged_again_as_it_was(stage: SigningStage, folder: SignerFolder) -> None:
    await write_and_sign(stage, folder)
    await stage.raw.delete(5)
    await spoil(stage.raw.store.connection, TILES_BUCKET, stage.stream, "text")

    outcome = await check(stage, mend=True)

    assert "1 of them by what was logged, as they are gone" in outcome.sentence
    assert outcome.figures["intact"] is True


async def test_history_that_was_rewritten_beside_it_is_found_all_the_same(stage: SigningStage, folder: SignerFolder) -> None:
    events = three_chains()
    await write_and_sign(stage, folder)
    await stage.made_anew()
    forged = outgoing(stage.raw.layout, events[9])._replace(data=edited(events[9]))
    await stage.raw.put(*(forged if number == 9 else outgoing(stage.raw.layout, event) for number, event in enumerate(events)))
    await spoil(stage.raw.store.connection, TILES_BUCKET, stage.stream, "empty map")

    outcome = await check(stage, mend=True)

    assert "is not what its log says" in outcome.sentence
    assert outcome.figures["finding_count"] == 1


async def test_verification_says_it_and_does_not_blame_the_stream(stage: SigningStage, folder: SignerFolder) -> None:
    await write_and_sign(stage, folder)
    await spoil(stage.raw.store.connection, TILES_BUCKET, stage.stream, "text")

    verdict = await verify_stream(stage.raw.store, trust=NO_TRUST)

    assert verdict.intact
    assert verdict.log is not None
    assert "cim-log-tiles" in verdict.log.damage


async def test_worker_goes_on_with_the_other_streams(nats_server: EmbeddedServer) -> None:
    async with open_raw_stream(nats_server) as spoiled, open_raw_stream(nats_server) as other:
        connection, stage = spoiled.store.connection, Stage(store=spoiled.store, operations={})
        stage.registry.layouts = (*stage.registry.layouts, spoiled.layout, other.layout)
        await spoiled.write(*three_chains())
        async with stage.worker():
            await logged(connection, spoiled.layout.stream)
            await kv_put(connection, TILES_BUCKET, spoiled.layout.stream, b"garbage")
            await other.write(*three_chains())
            state = await logged(connection, other.layout.stream)
            with pytest.raises(InvalidInput):
                await read_log(connection, spoiled.layout.stream)

    assert state.size == 24
