"""Verification as an operation holds streams against their logs and lists of heads: in ranges by several workers as in one go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apps.persistence.chain import read_mark, verify_stream
from apps.persistence.console import load_registry
from apps.persistence.drift import look
from apps.persistence.drift.record import ensure_drift
from apps.persistence.events import Event
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log
from apps.persistence.log.published import ensure_checkpoints, publish_keys
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.log.trust import NO_TRUST
from apps.persistence.operations import OPERATIONS, verify
from apps.persistence.store import Store, ensure_home, open_store, read_batch
from apps.persistence.store.connection import open_connection
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.run import RunState

from .changing_streams import ALLOWED, carry_out
from .engine_stage import Stage, append_events
from .raw_stream import create_raw_stream, edited, three_chains

STREAM = "CIM-EVENTS"


@dataclass(slots=True, kw_only=True)
class Signed:
    """Sixty events of one order, then sixty of another, logged and signed, on a server of its own; `admin` has every right."""

    stage: Stage
    admin: Store
    signer: Signer
    now: float = 1000.0

    async def sign(self, stream: str = STREAM) -> None:
        await LogFeeder(self.stage.store.connection, stream).feed()
        self.now += 11
        assert await self.signer.look(stream) is not None

    async def rewrite(self, sequence: int) -> None:
        """Make the stream anew with one event edited under its old id."""
        connection = self.admin.connection
        kept = (await read_batch(connection, STREAM, limit=1000)).messages
        config = (await connection.api(f"STREAM.INFO.{STREAM}"))["config"]
        await connection.api(f"STREAM.DELETE.{STREAM}")
        await connection.api(f"STREAM.CREATE.{STREAM}", config)
        for message in kept:
            data = edited(Event.from_block(message.data)) if message.sequence == sequence else message.data
            await connection.request(message.subject, data)

    async def verify(self, monkeypatch: pytest.MonkeyPatch, *, size: int = 100_000, full: str = "on") -> dict[str, Any]:
        """The figures of a verification in ranges of `size`, by two workers."""
        monkeypatch.setattr(verify, "PART_EVENTS", size)
        async with self.stage.worker(), self.stage.worker():
            run = await self.stage.wait(await self.stage.ask("verify", {"full": full}))
        assert run.state is RunState.FINISHED, run.outcome
        return {name: value for name, value in run.figures.items() if name not in ("seconds", "mark", "marked")} | {"sentence": run.outcome}


@pytest.fixture
async def signed(own_nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Signed]:
    settings = own_nats_server.settings
    async with (
        open_store(settings()) as store,
        open_store(settings("admin")) as admin,
        open_connection(settings("signer")) as signing,
    ):
        await ensure_home(store.connection)
        await ensure_log(store.connection)
        await ensure_checkpoints(store.connection)
        with open_signer_folder(tmp_path / "signer") as folder:
            made = Signed(
                stage=Stage(store=store, operations=OPERATIONS, registry=load_registry([], stream_changes=ALLOWED)),
                admin=admin,
                signer=Signer(signing, folder.database, folder.key, clock=lambda: made.now),
            )
            await publish_keys(signing, folder.database.vkeys())
            await append_events(store, 60, aggregate="o1")
            await append_events(store, 60, aggregate="o2")
            await made.sign()
            yield made


async def test_ranges_have_together_the_root_that_was_signed(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    await append_events(signed.stage.store, 13, aggregate="o1")

    split = await signed.verify(monkeypatch, size=25)

    mark = await read_mark(signed.stage.store, STREAM)
    assert split["sentence"] == "Intact: 133 events, sequence 1 to 133; as signed up to 120."
    assert [(one["source"], one["size"], one["holds"]) for one in split["anchors"]] == [("published", 120, True)]
    assert (split["intact_to"], split["covered_to"], split["rests_on"], split["size"]) == (133, 120, None, 133)
    assert mark is not None
    assert mark.root is not None
    assert mark.root.hex() == split["root"]
    assert split["root"] == (await signed.verify(monkeypatch))["root"]


async def test_events_that_a_recorded_run_purged_count_as_they_were_signed(signed: Signed) -> None:
    raw = await create_raw_stream(signed.stage.store)
    signed.stage.registry.layouts = (*signed.stage.registry.layouts, raw.layout)
    await raw.write(*three_chains())
    await signed.sign(raw.layout.stream)

    run = await carry_out(signed.stage, "purge", stream=raw.layout.stream, before="7")
    verdict = await verify_stream(raw.store, trust=NO_TRUST)

    assert run.state is RunState.FINISHED, run.outcome
    assert verdict.log is not None
    assert (verdict.intact, verdict.checked, verdict.log.covered, [part.count for part in verdict.removed]) == (True, 18, 24, [6])


async def test_what_is_new_goes_on_from_the_root_of_the_mark(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    await signed.verify(monkeypatch)
    await append_events(signed.stage.store, 90, aggregate="o2")
    await signed.sign()

    new = await signed.verify(monkeypatch, size=25, full="")

    assert new["sentence"] == "Intact: 90 events, sequence 121 to 210; as signed up to 210."
    assert new["root"] == (await signed.verify(monkeypatch))["root"]


async def test_ranges_name_what_was_rewritten_as_one_reading_does(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    await signed.rewrite(70)

    split = await signed.verify(monkeypatch, size=25)

    assert [(one["cause"], one["sequence"]) for one in split["findings"]] == [("link_broken", 71), ("history_rewritten", 70)]
    assert split["rests_on"] == {"sequence": 70, "events": 50, "aggregates": 1}
    assert (split["intact_to"], [one["holds"] for one in split["anchors"]]) == (69, [False])
    assert split == await signed.verify(monkeypatch)


async def test_aggregate_that_a_list_of_heads_names_and_that_is_gone_is_named(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    async with signed.stage.worker():
        await signed.stage.wait(await signed.stage.ask("record-heads", {"stream": STREAM}))
    listed = await signed.verify(monkeypatch)
    connection = signed.admin.connection
    config = (await connection.api(f"STREAM.INFO.{STREAM}"))["config"]
    await connection.api(f"STREAM.UPDATE.{STREAM}", config | {"max_msgs": 60})
    await ensure_drift(signed.stage.store.connection)
    await look(signed.stage.store, [STREAM])
    gone = await signed.verify(monkeypatch)
    async with signed.stage.worker():
        await signed.stage.wait(await signed.stage.ask("accept-drift", {"what": f"stream/{STREAM}"}))

    expired = await signed.verify(monkeypatch)

    assert any(sentence.startswith("All 2 aggregates that were listed on") for sentence in listed["proves"])
    assert expired["intact"] is True
    assert [(one["cause"], one["aggregate"], one["sequence"]) for one in gone["findings"]] == [
        ("missing", None, 1),
        ("omitted", "sales.order.o1", 60),
    ]
