"""How projections stand, stored beside the models for their readers: computed from positions, written on change, read back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.errors import EncodingError, InvalidInput
from apps.persistence.events import new_id
from apps.persistence.projections import Orders, ensure_record, run_projection
from apps.persistence.projections.sampler import Sampler
from apps.persistence.read_models import (
    ModelsStatus,
    ReadModelStoreBuilder,
    StatusKind,
    find_projection_status,
    list_projection_statuses,
    projection_status_history,
    status_of,
    update_projection_status,
)
from apps.persistence.store import Store, ensure_home, kv_put, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .projecting import Case, new_context

LAGGING = ModelsStatus(kind=StatusKind.LAGGING, behind_by=7, position=3)


@pytest.fixture
async def bucket(store: Store) -> str:
    made = await ReadModelStoreBuilder().with_connection(store.connection).with_bucket(f"models-{new_id()}").build()
    return made.bucket


@pytest.fixture
async def home(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(nats_server.settings("worker")) as opened:
        await ensure_home(opened.connection)
        yield opened


@pytest.mark.parametrize(
    ("lag", "is_rebuilding", "failure", "kind"),
    [
        (0, False, "", "up_to_date"),
        (4, False, "", "lagging"),
        (4, True, "", "rebuilding"),
        (0, True, "event 3 is too large", "failed"),
    ],
)
def test_status_follows_from_positions_and_failure(lag: int, is_rebuilding: bool, failure: str, kind: str) -> None:
    status = status_of(position=10, lag=lag, is_rebuilding=is_rebuilding, failure=failure)

    assert (status.kind, status.behind_by, status.position) == (kind, lag, 10)


async def test_status_is_read_back_as_it_was_stored(store: Store, bucket: str) -> None:
    stored = await update_projection_status(store.connection, "order", LAGGING, bucket=bucket)

    assert await find_projection_status(store.connection, "order", bucket=bucket) == stored
    assert (stored.kind, stored.behind_by, stored.revision) == (StatusKind.LAGGING, 7, 1)


async def test_changes_of_status_can_be_read_back_in_order(store: Store, bucket: str) -> None:
    await update_projection_status(store.connection, "order", LAGGING, bucket=bucket)
    await update_projection_status(store.connection, "order", status_of(position=10, lag=0), bucket=bucket)

    history = await projection_status_history(store.connection, "order", bucket=bucket)

    assert [status.kind for status in history] == ["lagging", "up_to_date"]


async def test_every_type_has_its_own_status(store: Store, bucket: str) -> None:
    await update_projection_status(store.connection, "order", LAGGING, bucket=bucket)
    await update_projection_status(store.connection, "customer", status_of(position=2, lag=0, failure="no"), bucket=bucket)

    found = await list_projection_statuses(store.connection, bucket=bucket)

    assert {name: status.kind for name, status in found.items()} == {"order": "lagging", "customer": "failed"}


async def test_nothing_was_ever_stored(store: Store, bucket: str) -> None:
    assert await find_projection_status(store.connection, "order", bucket=bucket) is None
    assert await list_projection_statuses(store.connection, bucket="nowhere") == {}


async def test_what_is_no_status_is_refused(store: Store, bucket: str) -> None:
    await kv_put(store.connection, bucket, "order.projection_status", b"up to date")

    with pytest.raises(EncodingError, match="is no status"):
        await find_projection_status(store.connection, "order", bucket=bucket)


def test_status_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidInput, match="-1 events behind"):
        ModelsStatus(kind=StatusKind.LAGGING, behind_by=-1)
    with pytest.raises(InvalidInput, match="failed needs reason"):
        ModelsStatus(kind=StatusKind.FAILED)


async def test_worker_writes_the_status_of_a_projection_as_it_changes(home: Store) -> None:
    case = Case(store=home, context=new_context())
    definition = case.definition()
    await case.add(1, 2, 3)
    await ensure_record(home.connection, definition)
    await run_projection(home, definition, 1, Orders(until=10**12))
    sampler = Sampler(home.connection, [definition])
    await sampler.open()

    await sampler.sample_projections()
    await case.add(4, 5)
    await sampler.sample_projections()
    await sampler.sample_projections()

    history = await projection_status_history(home.connection, definition.name)
    assert [(status.kind, status.behind_by) for status in history] == [("up_to_date", 0), ("lagging", 2)]
