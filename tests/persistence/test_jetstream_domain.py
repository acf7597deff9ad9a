"""This module is a server whose JetStream has a domain: every call goes under it, and under an API prefix that says the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.persistence.errors import InvalidInput, JetStreamDisabled
from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.eventstore import JetStreamEventStore
from apps.persistence.store import (
    ConnectionSettings,
    Layout,
    append,
    ensure_bucket,
    ensure_event_stream,
    get_stream,
    kv_get,
    kv_put,
    open_reader,
    open_store,
)

from .test_connection_errors import run_server

CART = AggregateRef("sales", "cart", "c1")
LAYOUT = Layout(stream="EVENTS", root="events")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose JetStream is called hub."""
    for addresses in run_server(tmp_path, f'jetstream {{ store_dir: "{tmp_path}/js", domain: hub }}'):
        yield addresses.split()[0]


@pytest.mark.parametrize("way", [{"domain": "hub"}, {"api_prefix": "$JS.hub.API"}])
async def test_everything_works_under_a_domain(hub: str, way: dict[str, str]) -> None:
    async with open_store(ConnectionSettings(url=hub, **way), layout=LAYOUT) as store:  # type: ignore[arg-type]
        await ensure_event_stream(store.connection, LAYOUT)
        await append(store, Head(aggregate=CART), [NewEvent(type="added"), NewEvent(type="added")])
        found = await JetStreamEventStore(store=store).get_events(CART)
        async with open_reader(store.connection, "EVENTS") as reader:
            read = [message.sequence async for batch in reader for message in batch]
        await ensure_bucket(store.connection, "cim-test")
        await kv_put(store.connection, "cim-test", "a", b"1")
        entry = await kv_get(store.connection, "cim-test", "a")

    assert [one.event.version for one in found] == [1, 2]
    assert read == [1, 2]
    assert entry is not None


async def test_wrong_domain_is_told_as_jetstream_that_is_not_there(hub: str) -> None:
    async with open_store(ConnectionSettings(url=hub, domain="elsewhere")) as store:
        with pytest.raises(JetStreamDisabled):
            await get_stream(store.connection, "EVENTS")


def test_domain_and_prefix_together_are_refused() -> None:
    with pytest.raises(InvalidInput, match="a JetStream domain or an API prefix, not both"):
        ConnectionSettings(domain="hub", api_prefix="$JS.hub.API")
