"""This module is declared streams: made as they are declared, and where one on the server differs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.persistence.errors import InvalidInput, InvalidSubject
from apps.persistence.events import AggregateRef, Head, NewEvent, new_id
from apps.persistence.store import (
    Drift,
    EventStreamConfig,
    Layout,
    RetentionPolicy,
    StorageType,
    Store,
    append,
    drift_of,
    ensure_declared,
    ensure_event_stream,
    get_stream,
    head_of,
    to_stream_info,
)

from .projecting import eventually

CART = AggregateRef("sales", "cart", "c1")


@pytest.fixture
def name() -> str:
    return new_id()[-12:]


async def test_stream_is_made_as_it_is_declared_and_has_no_drift(store: Store, name: str) -> None:
    declared = EventStreamConfig(
        name=f"DECLARED-{name}",
        subjects=(f"declared.{name}.>", f"also.{name}.*"),
        retention=RetentionPolicy.INTEREST,
        storage=StorageType.MEMORY,
        max_age=timedelta(seconds=30),
        max_messages=1000,
        max_bytes=1_000_000,
        replicas=1,
    )

    info = await ensure_declared(store.connection, declared)

    assert (info.retention, info.storage, info.replicas) == ("interest", "memory", 1)
    assert info.config["max_age"] == 30_000_000_000
    assert set(info.subjects) == set(declared.subjects)
    assert drift_of(declared, await get_stream(store.connection, declared.name)) == ()


async def test_usual_stream_of_events_is_as_declared(store: Store) -> None:
    info = await get_stream(store.connection, store.layout.stream)

    assert drift_of(EventStreamConfig.of(store.layout), info) == ()


async def test_drift_names_each_field_with_what_is_declared_and_what_is_there(store: Store, name: str) -> None:
    layout = Layout(stream=f"DRIFT-{name}", root=f"drift.{name}")
    config = {
        **(await ensure_event_stream(store.connection, layout)).config,
        "max_age": 3_600_000_000_000,
        "subjects": [f"drift.{name}.sales.>"],
    }
    changed = to_stream_info(await store.connection.api(f"STREAM.UPDATE.{layout.stream}", config, stream=layout.stream))

    found = drift_of(EventStreamConfig.of(layout, retention_days=365), changed)

    assert found == (
        Drift(field="subjects", declared=f"drift.{name}.>", actual=f"drift.{name}.sales.>"),
        Drift(field="max_age", declared="365 days, 0:00:00", actual="1:00:00"),
    )


async def test_what_is_not_declared_is_no_drift(store: Store) -> None:
    info = await get_stream(store.connection, store.layout.stream)

    assert drift_of(EventStreamConfig.of(store.layout, replicas=3), info) == (Drift(field="num_replicas", declared="3", actual="1"),)
    assert drift_of(EventStreamConfig.of(store.layout, replicas=None), info) == ()


async def test_stream_that_is_there_stays_as_it_is(store: Store) -> None:
    declared = EventStreamConfig.of(store.layout, retention_days=1)

    info = await ensure_declared(store.connection, declared)

    assert info.config["max_age"] == 0
    assert [drift.field for drift in drift_of(declared, info)] == ["max_age"]


async def test_head_survives_when_what_lies_before_it_expires(store: Store, name: str) -> None:
    declared = EventStreamConfig.of(layout := Layout(stream=f"EXPIRING-{name}", root=f"expiring.{name}"))
    await ensure_declared(store.connection, EventStreamConfig(name=declared.name, subjects=declared.subjects, max_age=timedelta(seconds=1)))
    there = store.on(layout)
    stored = await append(there, Head(aggregate=CART), [NewEvent(type="added")])
    await append(there, stored[-1].head, [NewEvent(type="added")])

    async def is_second_alone() -> bool:
        """Keep the newest event young until the first is gone."""
        info = await get_stream(store.connection, layout.stream)
        if info.first_sequence > 1 and info.messages:
            return True
        head = await head_of(there, CART)
        if head.version:
            await append(there, head, [NewEvent(type="added")])
        return False

    await eventually(is_second_alone, seconds=30)
    head = await head_of(there, CART)
    (after,) = await append(there, head, [NewEvent(type="added")])

    assert head.version > 1
    assert after.event.previous == head.cid


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"subjects": ()}, "without subjects"),
        ({"max_age": timedelta(0)}, "100 ms is the least"),
        ({"max_messages": 0}, "1 is the least"),
        ({"max_bytes": -1}, "1 is the least"),
        ({"replicas": 7}, "1 to 5"),
        ({"name": "a.b"}, "a.b"),
    ],
)
def test_declaration_that_cannot_be_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        EventStreamConfig(**{"name": "S", "subjects": ("s.>",), **given})  # type: ignore[arg-type]


def test_subject_and_retention_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidSubject):
        EventStreamConfig(name="S", subjects=("a..b",))
    with pytest.raises(InvalidInput, match="0 days"):
        EventStreamConfig.of(Layout(stream="S"), retention_days=0)
