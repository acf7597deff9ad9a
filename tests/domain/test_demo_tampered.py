"""The stream that was tampered with: verification finds in each of its orders exactly what the order's id says, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.domain.demo.tampered import INTACT, TAMPERED, WAYS, messages, write_tampered
from apps.persistence.chain import Cause, verify_aggregate, verify_stream
from apps.persistence.events import AggregateRef
from apps.persistence.store import Store, get_stream, open_store
from apps.persistence.store.embedded import EmbeddedServer

CAUSES = {
    "content-changed": Cause.CONTENT_CHANGED,
    "link-broken": Cause.LINK_BROKEN,
    "missing-version": Cause.MISSING,
    "duplicate-version": Cause.DUPLICATE_VERSION,
    "wrong-place": Cause.MISPLACED,
    "undecodable-bytes": Cause.UNDECODABLE,
}


@pytest.fixture
async def tampered(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    """The stream as the demo writes it."""
    async with open_store(nats_server.settings("worker"), layout=TAMPERED, layouts=[TAMPERED]) as store:
        await write_tampered(store.connection, 1)
        yield store


@pytest.mark.parametrize(("order_id", "cause"), CAUSES.items())
async def test_order_has_the_one_fault_that_its_id_says_at_version_4(tampered: Store, order_id: str, cause: Cause) -> None:
    verdict = await verify_aggregate(tampered, AggregateRef("sales", "order", order_id))

    assert [(finding.cause, finding.version) for finding in verdict.findings] == [(cause, 4)]


async def test_intact_order_is_intact(tampered: Store) -> None:
    verdict = await verify_aggregate(tampered, AggregateRef("sales", "order", INTACT))

    assert (verdict.intact, verdict.checked) == (True, 7)


async def test_whole_stream_has_each_fault_once(tampered: Store) -> None:
    verdict = await verify_stream(tampered)

    assert dict(verdict.by_cause) == dict.fromkeys(CAUSES.values(), 1)


async def test_stream_is_written_once(tampered: Store) -> None:
    was_written = await write_tampered(tampered.connection, 1)

    assert (was_written, (await get_stream(tampered.connection, "CIM-DEMO-TAMPERED")).messages) == (False, 49)


def test_nothing_of_it_lies_where_real_events_are() -> None:
    assert {message.subject.split(".")[1] for message in messages(1)} == {"demo-tampered"}


def test_every_way_has_an_order_of_its_own() -> None:
    orders = {message.subject.split(".")[4] for message in messages(1)}

    assert orders == {INTACT, *WAYS}
