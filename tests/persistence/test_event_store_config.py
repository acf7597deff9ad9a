"""This module is an event store as a settings file describes it: each setting is used, and what cannot be is refused by its name."""

from __future__ import annotations

import logging
import tomllib
from dataclasses import replace
from typing import Any

import pytest

from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import AggregateRef, new_id
from apps.persistence.eventstore import EventStoreConfig, OnRead, configured, ensure_event_store
from apps.persistence.snapshots import list_snapshots
from apps.persistence.store import AggregateFull, Store, drift_of, get_stream

from .baskets import BASKET, added


@pytest.fixture
def config() -> EventStoreConfig:
    name = new_id()[-12:]
    return EventStoreConfig(stream_name=f"SET-{name}", subject_root=f"set.{name}", max_events_per_aggregate=8, snapshot_threshold=3)


@pytest.fixture
def ref() -> AggregateRef:
    return AggregateRef("shop", "basket", new_id())


async def test_settings_of_a_file_make_the_stream(store: Store) -> None:
    name = new_id()[-12:]
    table = tomllib.loads(f"""
        [event_store]
        stream_name = "SET-{name}"
        subject_root = "set.{name}"
        retention_days = 365
        max_events_per_aggregate = 10000
        snapshot_threshold = 100
        on_read = "warn"
    """)["event_store"]
    config = EventStoreConfig.of(table)

    await ensure_event_store(store.connection, config)

    info = await get_stream(store.connection, f"SET-{name}")
    assert info.config["max_age"] == 365 * 86_400 * 1_000_000_000
    assert info.subjects == (f"set.{name}.>",)
    assert drift_of(config.stream(), info) == ()
    assert configured(store, config).on_read is OnRead.WARN


@pytest.mark.parametrize("layout", ["versioned", "flat"])
async def test_snapshots_are_taken_each_time_the_threshold_is_passed(
    store: Store, config: EventStoreConfig, ref: AggregateRef, layout: Any
) -> None:
    config = replace(config, layout=layout)
    await ensure_event_store(store.connection, config)
    events = configured(store, config, [BASKET])

    await events.append_events(ref, [added("a"), added("b")])
    none_yet = await list_snapshots(store, ref)
    await events.append_events(ref, [added("c"), added("d")])
    await events.append_events(ref, [added("e"), added("f")])

    assert none_yet == []
    assert [(one.version, one.by, one.state["count"]) for one in await list_snapshots(store, ref)] == [
        (6, "threshold", 6),
        (4, "threshold", 4),
    ]


async def test_limit_of_the_settings_is_kept(store: Store, config: EventStoreConfig, ref: AggregateRef) -> None:
    await ensure_event_store(store.connection, config)
    events = configured(store, config)
    await events.append_events(ref, [added(letter) for letter in "abcdefgh"])

    with pytest.raises(AggregateFull, match="has 8 events, and 1 more would exceed the limit of 8"):
        await events.append_events(ref, [added("i")])


async def test_events_are_stored_though_no_snapshot_can_be_taken(
    store: Store, config: EventStoreConfig, ref: AggregateRef, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(state: object, event: object) -> Any:
        raise InvalidState("The basket has no bottom.")

    await ensure_event_store(store.connection, config)
    events = configured(store, config, [replace(BASKET, apply=refuse)])

    with caplog.at_level(logging.WARNING):
        await events.append_events(ref, [added(letter) for letter in "abc"])

    assert await events.get_aggregate_version(ref) == 3
    assert "The basket has no bottom." in caplog.text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"retention": 3}, "no setting 'retention'; it has cache_size"),
        ({"retention_days": 0}, "kept for 0 days"),
        ({"max_events_per_aggregate": 0}, "max_events_per_aggregate is 0"),
        ({"snapshot_threshold": "many"}, "snapshot_threshold is 'many'"),
        ({"cache_size": -1}, "cache_size is -1"),
        ({"layout": "round"}, "layout is 'round'"),
        ({"on_read": "shrug"}, "on_read is 'shrug'; it is strict, warn, off"),
        ({"stream_name": "a b"}, "a b"),
        ({"replicas": 9}, "9 replicas"),
    ],
)
def test_setting_that_cannot_be_used_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        EventStoreConfig.of(given)
