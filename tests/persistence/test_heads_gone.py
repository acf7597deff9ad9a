"""A list of heads that was recorded and is taken away, exchanged, or not to be had at the moment: the verdict tells these apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from apps.persistence.chain import Beside, verify_stream
from apps.persistence.heads import HEADS_BUCKET
from apps.persistence.operations import verify_heads
from apps.persistence.operations.verify_heads import look_at_heads
from apps.persistence.store import delete_object, embedded, open_store
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.changing_streams import open_stage
from tests.persistence.engine_stage import Stage
from tests.persistence.heads_stage import manifest_of, record, replace_bytes, stored_block
from tests.persistence.raw_stream import RawStream, create_raw_stream, three_chains


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One whose web user may read CIM-CONSOLE, and not the bucket of lists."""
    readable = [f"$JS.API.DIRECT.GET.{stream}" for stream in ("CIM-CONSOLE", "KV_cim-removals")]
    may = [*(one for one in embedded.WEB_MAY_PUBLISH if one != "$JS.API.DIRECT.GET.>"), *readable]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(embedded, "WEB_MAY_PUBLISH", tuple(may))
        with EmbeddedServer(tmp_path_factory.mktemp("heads")) as running:
            yield running


@pytest.fixture
async def stage(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(verify_heads, "BEHIND_SECONDS", 0.0)
    async with open_stage(server) as opened:
        yield opened


@pytest.fixture
async def raw(stage: Stage) -> RawStream:
    """Three chains of eight versions, whose heads are recorded."""
    stream = await create_raw_stream(stage.store)
    stage.registry.layouts = (*stage.registry.layouts, stream.layout)
    await stream.write(*three_chains())
    await record(stage, stream)
    return stream


async def looked_at(raw: RawStream) -> Beside:
    return await look_at_heads(raw.store, ())


async def test_list_that_is_there_proves_that_nothing_was_left_out(raw: RawStream) -> None:
    found = await looked_at(raw)

    assert (found.findings, found.does_not_prove) == ((), ())
    assert found.proves[0].startswith("All 3 aggregates that were listed on")


@pytest.mark.parametrize("how", ["removed", "with its bucket", "exchanged"])
async def test_list_that_was_taken_away_is_a_finding_until_the_heads_are_recorded_anew(stage: Stage, raw: RawStream, how: str) -> None:
    manifest, connection = await manifest_of(raw), stage.store.connection
    if how == "exchanged":
        block = await stored_block(raw.store, manifest)
        await replace_bytes(raw, manifest, block[:-1] + bytes([block[-1] ^ 1]))
    elif how == "removed":
        await delete_object(connection, HEADS_BUCKET, str(manifest.cid))
    else:
        await connection.api(f"STREAM.DELETE.OBJ_{HEADS_BUCKET}")

    async def beside(causes: object) -> Beside:
        return await looked_at(raw)

    verdict = await verify_stream(raw.store, beside=beside)
    await record(stage, raw, "run-2", anew=True)

    (found,) = verdict.findings
    assert not verdict.intact
    assert (found.cause, found.expected, found.sequence) == ("list_gone", str(manifest.cid), None)
    assert found.found == ("other bytes" if how == "exchanged" else "nothing")
    assert "The console never removes a list" in found.explanation
    assert "record the heads anew" in found.explanation
    assert (await looked_at(raw)).findings == ()


async def test_bucket_that_does_not_answer_is_unavailable_and_no_sign_of_tampering(server: EmbeddedServer, raw: RawStream) -> None:
    async with open_store(server.settings("web"), layout=raw.layout, layouts=[raw.layout]) as store:
        found = await look_at_heads(store, ())

    assert (found.findings, found.proves) == ((), ())
    (said,) = found.does_not_prove
    assert said.startswith("That no aggregate was left out: the list of heads is unavailable now. The bucket cim-heads does not answer now")
