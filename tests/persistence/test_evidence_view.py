"""Evidence by a query: the events that made the models which are in a materialized view."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.errors import InvalidInput, KeyNotFound
from apps.persistence.events import StoredEvent, new_id
from apps.persistence.operations import TakeEvidence
from apps.persistence.projections import ProjectionDefinition
from apps.persistence.projections.definition import Models
from apps.persistence.queries import View, create_view
from apps.persistence.read_models import ReadModelStoreBuilder
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import Store, ensure_bucket
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import ensure_files

from .evidence_stage import open_evidence_stage
from .operating import carry_out
from .signing_stage import SigningStage


def keys_of(stored: StoredEvent) -> Sequence[str]:
    return (f"{stored.event.aggregate.type}.{stored.event.aggregate.id}",)


def apply_none(stored: StoredEvent, models: Models) -> Models:
    return {}


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    async with open_evidence_stage(nats_server, tmp_path) as opened:
        yield opened


def known(stage: SigningStage, name: str) -> tuple[Store, Registry]:
    """A domain whose projection makes one model of each aggregate of the stream."""
    made = ProjectionDefinition(
        name=name,
        version=1,
        title="Made",
        subjects=(f"{stage.raw.layout.root}.>",),
        stream=stage.stream,
        keys=keys_of,
        apply=apply_none,
    )
    registry = Registry([Domain(name="raw", title="Raw", layouts=[stage.raw.layout], projections=[made])])
    return replace(stage.raw.store, layouts=registry.layouts), registry


async def view_of(store: Store, source: str, *models: str) -> str:
    """A view that holds these models of the bucket."""
    name = f"few-{new_id()}"
    await ensure_bucket(store.connection, source)
    await create_view(store.connection, View(name=name, source=source))
    contents = await ReadModelStoreBuilder().with_connection(store.connection).with_bucket(f"cim-view-{name}").build()
    for key in models:
        kind, _, key_id = key.partition(".")
        await contents.save(kind, key_id, {"n": 1})
    return name


async def test_evidence_is_of_the_events_that_made_the_models_of_the_view(stage: SigningStage) -> None:
    store, registry = known(stage, name := f"made-{new_id()[-6:]}")
    await ensure_files(store.connection)
    view = await view_of(store, f"cim-{name}-1", "order.o1", "person.p1")

    outcome = await carry_out(store, registry, TakeEvidence(stream=stage.stream, view=view, trail=False))

    assert outcome.figures["events"] == 16
    assert outcome.sentence.endswith("The verifier finds it intact.")


async def test_view_that_says_nothing_of_the_stream_is_refused(stage: SigningStage) -> None:
    store, registry = known(stage, name := f"made-{new_id()[-6:]}")
    operation = TakeEvidence(stream=stage.stream, trail=False)

    with pytest.raises(KeyNotFound, match="see the list of read models"):
        await replace(operation, view="none").plan(store, registry)
    with pytest.raises(InvalidInput, match="which no projection here fills"):
        await replace(operation, view=await view_of(store, "cim-other-1", "order.o1")).plan(store, registry)
    with pytest.raises(InvalidInput, match="holds no model at this moment"):
        await replace(operation, view=await view_of(store, f"cim-{name}-1")).plan(store, registry)
