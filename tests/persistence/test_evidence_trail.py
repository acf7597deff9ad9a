"""The operator trail in evidence: what people did to a stream, from the signed log of CIM-CONSOLE, as far as it concerns what was taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.encoding import Value
from apps.persistence.events import AggregateRef, Event, Head, NewEvent
from apps.persistence.operations import TakeEvidence
from apps.persistence.operations.evidence_trail import read_concerning
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import CONSOLE, Store, append, ensure_home, get_stream, read_object
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import ensure_files, get_file
from apps.persistence.transfer.evidence_verifier import verify

from .evidence_stage import open_evidence_stage, publish, vkey_of
from .operating import carry_out

STREAM = "CIM-EVENTS"


async def note(store: Store, run: str, **parameters: Value) -> None:
    """A run with these parameters, asked for and finished."""
    events = [NewEvent(type="requested", payload={"parameters": parameters, "summary": run}), NewEvent(type="finished")]
    await append(store.on(CONSOLE), Head(aggregate=AggregateRef("console", "run", run)), events)


async def concerning(store: Store, stream: str, aggregate: str = "", at_most: int = 100) -> list[str]:
    last = (await get_stream(store.connection, CONSOLE.stream)).last_sequence
    found, _ = await read_concerning(store, stream, aggregate, last=last, at_most=at_most)
    events = [Event.from_block(message.data) for message in found]
    return [f"{event.aggregate.id} {event.type}" for event in events]


async def test_trail_is_what_names_the_stream_and_what_came_of_it(own_nats_server: EmbeddedServer, tmp_path: Path) -> None:
    async with open_evidence_stage(own_nats_server, tmp_path) as stage:
        store = stage.raw.store
        await ensure_home(store.connection)
        await note(store, "purge", stream=stage.stream)
        await note(store, "other", stream="OTHER")
        await note(store, "verify-o1", stream=stage.stream, aggregate="sales.order.o1")
        await note(store, "verify-o2", stream=stage.stream, aggregate="sales.order.o2")
        await note(store, "many", streams=["OTHER", stage.stream])

        whole = await concerning(store, stage.stream)
        asked = [name.removesuffix(" requested") for name in whole if name.endswith("requested")]
        assert asked == ["purge", "verify-o1", "verify-o2", "many"]
        assert len(whole) == 8
        of_one = await concerning(store, stage.stream, "sales.order.o1")
        assert of_one == [f"{run} {what}" for run in ("purge", "verify-o1", "many") for what in ("requested", "finished")]
        assert await concerning(store, stage.stream, at_most=1) == ["many finished"]


async def test_trail_is_in_the_file_as_far_as_it_is_signed(
    own_nats_server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_evidence_stage(own_nats_server, tmp_path) as stage:
        registry = Registry([Domain(name="raw", title="Raw", layouts=[stage.raw.layout])])
        store = replace(stage.raw.store, layouts=registry.layouts)
        await ensure_home(store.connection)
        await ensure_files(store.connection)
        operation = TakeEvidence(stream=stage.stream, aggregate="sales.order.o1")

        async def taken() -> list[str]:
            outcome = await carry_out(store, registry, operation)
            file = await get_file(store.connection, str(outcome.figures["file"]))
            data = b"".join([chunk async for _, chunk in read_object(store.connection, file.stored)])
            return verify(data, [vkey_of(stage)])

        assert (await taken())[-1].startswith(
            "Not in the file (not signed): the operator trail: No checkpoint of the log of CIM-CONSOLE is published"
        )
        await note(store, "purge", stream=stage.stream)
        await note(store, "other", stream="OTHER")
        console = replace(stage, raw=replace(stage.raw, store=store.on(CONSOLE)))
        await console.log()
        with console.signer() as signer:
            await console.sign(signer)
        await publish(stage)
        await note(store, "later", stream=stage.stream)

        lines = await taken()

        assert "  console.run.purge: versions 1 to 2, without a gap" in lines
        assert lines[-1] == "  console.run.purge: versions 1 to 2, without a gap"

        monkeypatch.setattr("apps.persistence.operations.evidence.TRAIL_EVENTS", 1)
        shortened = await taken()

        assert "  console.run.purge: versions 2 to 2, without a gap" in shortened
        said = "Not in the file (not signed): 1 event of the operator trail before sequence 2 of CIM-CONSOLE; it holds the newest 1"
        assert shortened[-1] == said
