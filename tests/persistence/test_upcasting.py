"""Upcasting: events whose bytes were written long ago are read in the newest schema everywhere, and their bytes stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.persistence import transfer
from apps.persistence.chain import verify_aggregate
from apps.persistence.encoding import cid_of, decode
from apps.persistence.errors import InvalidEvent, InvalidInput
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, NewEvent, State, StoredEvent, Upcaster, Upcasters
from apps.persistence.projections import (
    Orders,
    ProjectionDefinition,
    Selection,
    bucket_of,
    build_beside,
    ensure_record,
    reapply,
    run_projection,
)
from apps.persistence.projections.builtin import event_types_of
from apps.persistence.projections.definition import Models
from apps.persistence.registry import Domain, Registry
from apps.persistence.repositories import EventSourcedRepository
from apps.persistence.snapshots import blame, prove, state_at, take
from apps.persistence.store import (
    Outgoing,
    Store,
    aggregate_at_time,
    append,
    at_version,
    history,
    kv_all,
    kv_get,
    load,
    messages_of,
    open_writer,
    store_batch,
)
from apps.persistence.store.publish import MESSAGE_ID
from apps.persistence.transfer import UPLOADS_BUCKET, FileKind, Format, Made, Place, Shape, ensure_files, new_nuid, write_events

from .transferring import content, read_file

MAY = AggregateRef("people", "person", "may")
OLD_BLOCKS = (  # as three versions of a program wrote them: schema 1 {name}, schema 2 {first, last}, schema 3 {first, last, title}
    bytes.fromhex(
        "ad626964782430313933303030302d303030302d373030302d383030302d3030303030303030303030316474696d65781b323032312d30"
        "332d30345430353a30363a30372e3030303030305a64747970656a72656769737465726564656163746f7265636c65726b6573636f7065"
        "67636c757374657266736368656d6101677061796c6f6164a1646e616d656a4d6179205061726b65726776657273696f6e01686d657461"
        "64617461a06870726576696f7573f669616767726567617465a3626964636d6179647479706566706572736f6e67636f6e746578746670"
        "656f706c6569636175736174696f6ef66b636f7272656c6174696f6e782430313933303030302d303030302d373030302d383030302d30"
        "3030303030303030303031"
    ),
    bytes.fromhex(
        "ad626964782430313933303030302d303030302d373030302d383030302d3030303030303030303030326474696d65781b323032322d30"
        "332d30345430353a30363a30372e3030303030305a64747970656a72656769737465726564656163746f7265636c65726b6573636f7065"
        "67636c757374657266736368656d6102677061796c6f6164a2646c617374665265696c6c79656669727374634d61796776657273696f6e"
        "02686d65746164617461a06870726576696f7573d82a58250001711e208d9c4016054bbb7287bd7da2a55209c3d79ddd216b91e7e4e7af"
        "1c8ef612601669616767726567617465a3626964636d6179647479706566706572736f6e67636f6e746578746670656f706c6569636175"
        "736174696f6ef66b636f7272656c6174696f6e782430313933303030302d303030302d373030302d383030302d30303030303030303030"
        "3032"
    ),
    bytes.fromhex(
        "ad626964782430313933303030302d303030302d373030302d383030302d3030303030303030303030336474696d65781b323032332d30"
        "332d30345430353a30363a30372e3030303030305a64747970656a72656769737465726564656163746f7265636c65726b6573636f7065"
        "67636c757374657266736368656d6103677061796c6f6164a3646c617374665061726b6572656669727374634d6179657469746c656244"
        "726776657273696f6e03686d65746164617461a06870726576696f7573d82a58250001711e20122c775e025eb8ff523a3379ef7688a86d"
        "d5ffc74a064f69e3c5a97ee2ec438269616767726567617465a3626964636d6179647479706566706572736f6e67636f6e746578746670"
        "656f706c6569636175736174696f6ef66b636f7272656c6174696f6e782430313933303030302d303030302d373030302d383030302d30"
        "3030303030303030303033"
    ),
)
OLD_CIDS = (
    "bafyr4ientrabmbklxnzippl5uksvecod26o52illsht6jz5pdshpmetacy",
    "bafyr4iasfr3v4as6xd7veortphxxncfinxk77r2kazhwty6fvf7of3cdqi",
    "bafyr4iegv32sg2db5m672iy2w5dywlww6fmiddjws4a5s3aq6gejswoy2e",
)


def split_name(payload: Any) -> Any:
    first, _, last = payload["name"].partition(" ")
    return {"first": first, "last": last}


def step(from_schema: int, apply: Any, *, to_schema: int | None = None) -> Upcaster:
    return Upcaster(context="people", aggregate="person", type="registered", from_schema=from_schema, to_schema=to_schema, apply=apply)


SPLIT = step(1, split_name)
TITLE = step(2, lambda payload: {**payload, "title": ""})
CHAIN = Upcasters([SPLIT, TITLE])


def fold_person(state: State, event: Event) -> State:
    return {**state, **event.payload}


PERSON = AggregateDefinition(context="people", type="person", title="Person", apply=fold_person)


@pytest.fixture
async def old_store(store: Store) -> Store:
    """A store whose stream holds the old bytes, read by the newest code."""
    blocks = [Event.from_block(block) for block in OLD_BLOCKS]
    messages = [
        Outgoing(store.layout.subject(event), block, {MESSAGE_ID: str(cid_of(block))})
        for event, block in zip(blocks, OLD_BLOCKS, strict=True)
    ]
    await store_batch(store.connection, messages)
    return replace(store, upcasters=CHAIN)


async def test_old_bytes_are_read_in_the_newest_schema(old_store: Store) -> None:
    found = await load(old_store, MAY)

    assert [(one.event.schema, one.stored_schema) for one in found.events] == [(3, 1), (3, 2), (3, 3)]
    assert found.events[0].event.payload == {"first": "May", "last": "Parker", "title": ""}
    assert found.events[1].event.payload == {"first": "May", "last": "Reilly", "title": ""}
    assert found.events[2].event.payload == {"first": "May", "last": "Parker", "title": "Dr"}


async def test_reading_never_changes_the_stored_bytes(old_store: Store) -> None:
    found = await load(old_store, MAY)
    messages = await messages_of(old_store, MAY)

    assert tuple(message.data for message in messages) == OLD_BLOCKS
    assert tuple(str(one.cid) for one in found.events) == OLD_CIDS


async def test_chain_is_verified_over_the_stored_bytes(old_store: Store) -> None:
    verdict = await verify_aggregate(old_store, MAY)

    assert (verdict.intact, verdict.checked) == (True, 3)


def names_of(store: Store) -> ProjectionDefinition:
    """The last name and the stored schema of every version."""

    def keys(stored: StoredEvent) -> list[str]:
        return [f"name.v{stored.event.version}"]

    def apply(stored: StoredEvent, models: Models) -> Models:
        return {keys(stored)[0]: {"last": stored.event.payload["last"], "stored": stored.stored_schema}}

    layout = store.layout
    return ProjectionDefinition(
        name=f"names-{layout.root[-12:]}",
        version=1,
        title="Names",
        subjects=(layout.subjects,),
        stream=layout.stream,
        keys=keys,
        apply=apply,
    )


async def last_names(store: Store, names: ProjectionDefinition, *, build: int) -> list[Any]:
    entries = await kv_all(store.connection, bucket_of(names.name, build), prefix="name")
    values: list[Any] = [decode(entry.value) for entry in entries]
    return [value["model"]["last"] for value in values]


async def ignore(_: object) -> None:
    """What a caller does that need not know how far it is."""


async def test_every_way_of_reading_upcasts(old_store: Store) -> None:
    part = await history(old_store, MAY, from_version=1, to_version=1)
    then = await aggregate_at_time(old_store, MAY, part.events[0].stored_at)
    state = await state_at(old_store, PERSON, MAY, version=1)
    changes = await blame(old_store, PERSON, MAY, from_version=1, to_version=2)

    assert part.events[0].event.schema == 3
    assert then.events[0].event.schema == 3
    assert state.state == {"first": "May", "last": "Parker", "title": ""}
    assert [(one.change.place, one.change.after, one.version) for one in changes] == [("last", "Reilly", 2)]


async def test_every_way_of_reading_leaves_the_stored_bytes_as_they_are(old_store: Store) -> None:
    people = EventSourcedRepository(store=old_store, definition=PERSON)
    newest = {"first": "May", "last": "Parker", "title": "Dr"}
    names = names_of(old_store)

    then = await at_version(old_store, MAY, 2)
    loaded = await people.load("may")
    past = await people.history("may")
    snapshot = await take(old_store, PERSON, MAY, by="ada", version=2)
    after_snapshot = await state_at(old_store, PERSON, MAY, use_snapshot=True)
    await ensure_record(old_store.connection, names)
    await run_projection(old_store, names, 1, Orders(until=3))
    rebuilt = await build_beside(old_store, names)
    again = Selection(first=1, last=3, patterns=(old_store.layout.subjects,))
    await reapply(old_store, replace(names, is_idempotent=True), 1, again, left_out=frozenset(), on_batch=ignore)

    assert [event.event.payload["last"] for event in then.events] == ["Parker", "Reilly"]
    assert (loaded.state, [event.schema for event in past]) == (newest, [3, 3, 3])
    assert (snapshot.state, after_snapshot.state) == ({"first": "May", "last": "Reilly", "title": ""}, newest)
    assert await last_names(old_store, names, build=1) == await last_names(old_store, names, build=rebuilt.build)
    assert await last_names(old_store, names, build=1) == ["Parker", "Reilly", "Parker"]
    assert tuple(message.data for message in await messages_of(old_store, MAY)) == OLD_BLOCKS


@pytest.mark.parametrize("shape", [Format.CAR, Format.JSON_LINES])
async def test_export_holds_the_stored_bytes(old_store: Store, shape: Format) -> None:
    await ensure_files(old_store.connection)
    name, writer = f"old-{new_nuid()}", await open_writer(old_store.connection, UPLOADS_BUCKET, new_nuid())
    whole = transfer.Selection(stream=old_store.layout.stream, first=1, last=3, pattern=">")

    await write_events(old_store, whole, writer, ignore, shape=Shape(format=shape, manifest={}), begin=Place())
    await writer.finish(name, Made(kind=FileKind.EXPORT, source="", by="ada").metadata())

    exported = await read_file(await content(old_store, name), piece=4_096)
    assert tuple(block.data for block in exported) == OLD_BLOCKS


async def test_snapshot_of_upcast_events_is_proved(old_store: Store) -> None:
    await take(old_store, PERSON, MAY, by="ada", version=2)

    proof = await prove(old_store, PERSON, MAY)

    assert proof.equal


async def test_projection_gets_upcast_events_and_knows_what_was_stored(old_store: Store) -> None:
    names = names_of(old_store)
    await run_projection(old_store, names, 1, Orders(until=3))

    entry = await kv_get(old_store.connection, bucket_of(names.name, 1), "name.v1")
    value: Any = decode(entry.value if entry else b"")
    assert value["model"] == {"last": "Parker", "stored": 1}


async def test_appending_goes_on_the_chain_of_old_bytes(old_store: Store) -> None:
    head = (await load(old_store, MAY)).head
    newer = NewEvent(type="registered", schema=3, payload={"first": "May", "last": "Watson", "title": "Dr"})
    (stored,) = await append(old_store, head, [newer])

    assert str(stored.event.previous) == OLD_CIDS[2]
    assert (await verify_aggregate(old_store, MAY)).intact


async def test_step_that_fails_is_named_with_its_event(old_store: Store) -> None:
    broken = replace(old_store, upcasters=Upcasters([step(1, lambda payload: {"first": payload["forename"]}), TITLE]))

    with pytest.raises(InvalidEvent, match=r"Version 1 of people\.person\.may, registered, cannot be upcast from schema 1 to 2: KeyError"):
        await load(broken, MAY)


def test_step_may_leave_a_schema_out() -> None:
    jump = Upcasters([step(1, split_name, to_schema=3)])

    assert jump.upcast(Event.from_block(OLD_BLOCKS[0])).schema == 3


def test_two_steps_from_one_schema_are_refused_at_start() -> None:
    with pytest.raises(InvalidInput, match=r"Two upcasters read people\.person\.registered from schema 1; keep one\."):
        Registry([Domain(name="people", title="People", upcasters=[SPLIT, SPLIT])])


def test_gap_between_steps_is_refused_at_start() -> None:
    with pytest.raises(InvalidInput, match="lead from schema 1 to 2, and the next one starts from 3; declare the step from 2 to 3"):
        Registry([Domain(name="people", title="People", upcasters=[SPLIT, step(3, dict)])])


def test_step_that_leads_back_is_refused_at_start() -> None:
    with pytest.raises(InvalidInput, match="from schema 2 leads to schema 1; a step must lead to a newer schema"):
        Registry([Domain(name="people", title="People", upcasters=[SPLIT, step(2, dict, to_schema=1)])])


def test_chains_of_all_domains_are_listed_in_order() -> None:
    registry = Registry([Domain(name="people", title="People", upcasters=[TITLE, SPLIT])])

    assert registry.upcasters.chains[("people", "person", "registered")] == (SPLIT, TITLE)
    assert registry.upcasters.newest(("people", "person", "registered")) == 3


async def test_census_counts_by_the_schema_that_was_stored(old_store: Store) -> None:
    layout = old_store.layout
    census = replace(event_types_of(layout), name=f"types-{layout.root[-12:]}")

    await run_projection(old_store, census, 1, Orders(until=3))

    entries = await kv_all(old_store.connection, bucket_of(census.name, 1), prefix="event-type")
    assert [entry.key for entry in entries] == [f"event-type.people.person.registered.{schema}" for schema in (1, 2, 3)]
