"""This module is the tests of which marks are believed: those that a verification left, and none that somebody wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from apps.persistence.chain import MARKS_BUCKET, Mark, known_history, known_mark, known_marks, mark_history, read_mark
from apps.persistence.encoding import Value, cid_of, encode
from apps.persistence.events import AggregateRef, Head, NewEvent, format_time, new_id
from apps.persistence.operations import Verify
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import CONSOLE, Outgoing, Store, append, ensure_event_stream, ensure_home, kv_put, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.operation import Outcome

from .conftest import fresh_layout
from .engine_stage import append_events
from .operating import carry_out_on_record


@pytest.fixture
async def store(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    """A stream of its own with 10 events of one order, and bytes that are no event."""
    layout = fresh_layout()
    async with open_store(nats_server.settings("worker"), layout=layout, layouts=[layout]) as opened:
        await ensure_home(opened.connection)
        await ensure_event_stream(opened.connection, layout)
        await append_events(opened, 10, aggregate="o1")
        await store_message(opened.connection, Outgoing(f"{layout.root}.sales.order.o9.item_added.v1", b"rust", {}))
        yield opened


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry([Domain(name="test", title="Test", layouts=[store.layout])])


async def verify(store: Store, registry: Registry, **given: Any) -> Outcome:
    return await carry_out_on_record(store, registry, Verify(stream=store.layout.stream, **given), name="verify")


def block(mark: Mark) -> bytes:
    value: dict[str, Any] = asdict(mark) | {"at": format_time(mark.at), "first_bad_cause": None, "created": None}
    del value["problem"]
    return encode(value)


async def put(store: Store, mark: Mark) -> None:
    await kv_put(store.connection, MARKS_BUCKET, mark.stream, block(mark))


async def left(store: Store, registry: Registry) -> Mark:
    """The mark after a verification that found one fault."""
    await verify(store, registry)
    mark = (await known_mark(store, store.layout.stream)).mark
    assert mark is not None
    assert (mark.sequence, mark.intact) == (11, False)
    return mark


def whitewashed(mark: Mark, **changes: Any) -> Mark:
    """The same, saying that all is well."""
    clean: dict[str, Any] = {"intact": True, "findings": 0, "first_bad_sequence": None, "first_bad_cause": None}
    return replace(mark, **clean, **changes)


async def test_mark_is_believed_as_long_as_its_verification_stands_for_it(store: Store, registry: Registry) -> None:
    mark = await left(store, registry)

    assert mark == await read_mark(store, store.layout.stream)
    assert (await known_marks(store))[store.layout.stream].mark == mark
    assert await known_history(store, store.layout.stream) == [mark]


async def test_mark_that_was_changed_is_not_relied_on_and_everything_is_read_again(store: Store, registry: Registry) -> None:
    mark = await left(store, registry)
    await put(store, whitewashed(mark))

    known = await known_mark(store, store.layout.stream)
    plan = await Verify(stream=store.layout.stream).plan(store, registry)
    outcome = await verify(store, registry)

    after = (await known_mark(store, store.layout.stream)).mark
    assert known.mark is None
    assert known.doubt == (
        f"The mark that says {mark.stream} was verified to 11 is not relied on: the verification {mark.run} did not leave it"
    )
    assert any(note == f"{known.doubt}; so all of it is read, from the first sequence." for note in plan.notes)
    assert outcome.sentence == "1 finding in 11 events, sequence 1 to 11, the first at sequence 11."
    assert after is not None
    assert (after.intact, after.findings) == (False, 1)
    assert len(await mark_history(store, mark.stream)) == 3
    assert len(await known_history(store, mark.stream)) == 2


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ("", "it names no run that left it"),
        ("0000", "no verification 0000 is in CIM-CONSOLE"),
        ("snapshot", "is in CIM-CONSOLE"),
        ("dry run", "is in CIM-CONSOLE"),
        ("unconfirmed", "never began"),
        ("failed", "did not leave it"),
    ],
)
async def test_mark_of_a_run_that_left_none_is_not_relied_on(store: Store, registry: Registry, run: str, why: str) -> None:
    mark = await left(store, registry)
    await put(store, whitewashed(mark, sequence=999_999, run=run if run in ("", "0000") else await recorded(store, run)))

    known = await known_mark(store, store.layout.stream)

    assert known.mark is None
    assert known.doubt.endswith(why)
    assert (await verify(store, registry)).figures["finding_count"] == 1


async def test_older_mark_that_is_put_back_is_not_relied_on(store: Store, registry: Registry) -> None:
    await verify(store, registry, full=True)
    old = await read_mark(store, store.layout.stream)
    await append_events(store, 2, aggregate="o1")
    await verify(store, registry)
    assert old is not None

    await kv_put(store.connection, MARKS_BUCKET, old.stream, encode_as_left(old))
    known = await known_mark(store, store.layout.stream)

    assert known.mark is None
    assert known.doubt.endswith("a later verification left another one")


@pytest.mark.parametrize(
    "value",
    [b"garbage", encode({}), encode([1]), encode("text"), encode({"first_bad_cause": None, "at": "yesterday"})],
    ids=["no block", "empty", "list", "text", "no time"],
)
async def test_what_is_no_mark_is_named_and_a_verification_puts_a_mark_in_its_place(store: Store, registry: Registry, value: bytes) -> None:
    await left(store, registry)
    await kv_put(store.connection, MARKS_BUCKET, store.layout.stream, value)

    known = await known_mark(store, store.layout.stream)
    outcome = await verify(store, registry)

    assert (known.mark, "cannot be read, so somebody changed it" in known.doubt) == (None, True)
    assert outcome.figures["finding_count"] == 1
    assert (await known_mark(store, store.layout.stream)).doubt == ""
    assert len(await known_history(store, store.layout.stream)) == 2


async def test_mark_of_another_stream_and_numbers_that_are_none_are_no_mark(store: Store, registry: Registry) -> None:
    mark = await left(store, registry)
    stream = mark.stream
    for changed in (replace(mark, stream="CIM-OTHER"), replace(mark, sequence=-1), replace(mark, root=b"short")):
        await kv_put(store.connection, MARKS_BUCKET, stream, block(changed))
        assert "cannot be read" in (await known_mark(store, stream)).doubt


def encode_as_left(mark: Mark) -> bytes:
    """The block that a verification wrote, byte for byte."""
    cause, created = mark.first_bad_cause, mark.created
    value: dict[str, Any] = asdict(mark) | {"at": format_time(mark.at), "created": format_time(created) if created else None}
    value["first_bad_cause"] = cause.value if cause else None
    del value["problem"]
    assert cid_of(encode(value)) == mark.cid
    return encode(value)


async def recorded(store: Store, how: str) -> str:
    """A run in CIM-CONSOLE that left no mark."""
    run = new_id()
    asked: dict[str, Value] = {"operation": "snapshot" if how == "snapshot" else "verify", "target": "x", "dry_run": how == "dry run"}
    events = [NewEvent(type="requested", payload=asked, actor="olga")]
    if how != "unconfirmed":
        events += [NewEvent(type="confirmed", actor="olga"), NewEvent(type="started", payload={"worker": "w"}, actor="w")]
    if how == "failed":
        events.append(NewEvent(type="failed", payload={"outcome": "x", "figures": {}}, actor="w"))
    await append(store.on(CONSOLE), Head(aggregate=AggregateRef("console", "run", run)), events)
    return run
