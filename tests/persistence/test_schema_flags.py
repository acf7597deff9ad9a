"""Schemas in stored bytes and flags over them: V1 and V2 of one event, read and written as the flag says, and a schema from the future."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidEvent, InvalidInput
from apps.persistence.events import AggregateRef, Event, FlagState, NewEvent, SchemaFlag, Upcaster, Upcasters
from apps.persistence.eventstore import InMemoryEventStore
from apps.persistence.operations.switch_flag import SwitchFlag
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import Outgoing, Store, append, ensure_home, follow_flags, head_of, load, open_store, read_flags, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.store.publish import MESSAGE_ID

from .operating import carry_out
from .projecting import eventually

GRACE = AggregateRef("people", "contact", "grace")
STORED = (  # as three versions of a program wrote them: tagged v1 {name, email}, v2 {first_name, last_name, email}, and a v3 of the future
    bytes.fromhex(
        "ad626964782430313933303030302d303030302d373030302d383030302d3030303030303030303030316474696d65781b323032312d30"
        "332d30345430353a30363a30372e3030303030305a647479706571706572736f6e5f72656769737465726564656163746f7265636c6572"
        "6b6573636f706567636c757374657266736368656d6101677061796c6f6164a3646e616d656c477261636520486f7070657265656d6169"
        "6c716772616365406578616d706c652e6f72676776657273696f6e6276316776657273696f6e01686d65746164617461a0687072657669"
        "6f7573f669616767726567617465a3626964656772616365647479706567636f6e7461637467636f6e746578746670656f706c65696361"
        "75736174696f6ef66b636f7272656c6174696f6e782430313933303030302d303030302d373030302d383030302d303030303030303030"
        "303031"
    ),
    bytes.fromhex(
        "ad626964782430313933303030302d303030302d373030302d383030302d3030303030303030303030326474696d65781b323032322d30"
        "332d30345430353a30363a30372e3030303030305a647479706571706572736f6e5f72656769737465726564656163746f7265636c6572"
        "6b6573636f706567636c757374657266736368656d6102677061796c6f6164a465656d61696c766772616365406e6176792e6578616d70"
        "6c652e6f72676776657273696f6e627632696c6173745f6e616d6566486f707065726a66697273745f6e616d6565477261636567766572"
        "73696f6e02686d65746164617461a06870726576696f7573d82a58250001711e20c55cf49b91c8bbd1db67a125cab9dd2946dfa1590fa8"
        "1954ea74c074936ac33369616767726567617465a3626964656772616365647479706567636f6e7461637467636f6e746578746670656f"
        "706c6569636175736174696f6ef66b636f7272656c6174696f6e782430313933303030302d303030302d373030302d383030302d303030"
        "303030303030303031"
    ),
    bytes.fromhex(
        "ad626964782430313933303030302d303030302d373030302d383030302d3030303030303030303030336474696d65781b323032332d30"
        "332d30345430353a30363a30372e3030303030305a647479706571706572736f6e5f72656769737465726564656163746f7265636c6572"
        "6b6573636f706567636c757374657266736368656d6103677061796c6f6164a2656e616d65738265477261636566486f70706572677665"
        "7273696f6e6276336776657273696f6e03686d65746164617461a06870726576696f7573d82a58250001711e204b7c52583a7e0ce67b91"
        "0b2b08877bb2773bbab31e8a05553a8191edbff63fea69616767726567617465a3626964656772616365647479706567636f6e74616374"
        "67636f6e746578746670656f706c6569636175736174696f6ef66b636f7272656c6174696f6e782430313933303030302d303030302d37"
        "3030302d383030302d303030303030303030303031"
    ),
)


def upgrade(payload: Any) -> Any:
    """PersonRegistered V1 as V2."""
    first, _, last = payload["name"].partition(" ")
    return {"version": "v2", "first_name": first, "last_name": last, "email": payload["email"]}


def downgrade(payload: Any) -> Any:
    """PersonRegistered V2 as V1."""
    return {"version": "v1", "name": f"{payload['first_name']} {payload['last_name']}", "email": payload["email"]}


V1_TO_V2 = Upcaster(context="people", aggregate="contact", type="person_registered", from_schema=1, apply=upgrade)
NAMES = SchemaFlag(
    name="two-names",
    title="Names in two fields",
    context="people",
    aggregate="contact",
    type="person_registered",
    from_schema=1,
    downcast=downgrade,
)
ADA = {"version": "v2", "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.org"}
ADA_BEFORE = {"version": "v1", "name": "Ada Lovelace", "email": "ada@example.org"}


def upcasters(state: FlagState | None = None) -> Upcasters:
    """Which know the flag, in this state."""
    found = Upcasters([V1_TO_V2], flags=[NAMES])
    found.flags.learn({"two-names": state} if state else {})
    return found


def registered(name: str) -> tuple[AggregateRef, NewEvent]:
    return AggregateRef("people", "contact", name), NewEvent(type="person_registered", schema=2, payload=ADA)


@pytest.fixture
async def stored(store: Store) -> Store:
    """A store whose stream holds the old bytes."""
    for block in STORED:
        await store_message(
            store.connection, Outgoing(store.layout.subject(Event.from_block(block)), block, {MESSAGE_ID: str(cid_of(block))})
        )
    return store


async def test_v1_is_read_as_v2_and_the_future_as_it_is_stored(stored: Store) -> None:
    found = await load(replace(stored, upcasters=upcasters()), GRACE)

    assert [(one.event.payload["version"], one.event.schema, one.stored_schema) for one in found.events] == [
        ("v2", 2, 1),
        ("v2", 2, 2),
        ("v3", 3, 3),
    ]
    assert found.events[0].event.payload == {"version": "v2", "first_name": "Grace", "last_name": "Hopper", "email": "grace@example.org"}
    assert found.events[2].event.payload == {"version": "v3", "names": ["Grace", "Hopper"]}


async def test_flag_has_readers_take_the_older_schema_of_old_and_new_bytes(stored: Store) -> None:
    found = await load(replace(stored, upcasters=upcasters(FlagState(reading=False, writing=0))), GRACE)

    assert [(one.event.payload["version"], one.event.schema) for one in found.events] == [("v1", 1), ("v1", 1), ("v3", 3)]
    assert found.events[1].event.payload == {"version": "v1", "name": "Grace Hopper", "email": "grace@navy.example.org"}


@pytest.mark.parametrize(("writing", "schema", "payload"), [(100, 2, ADA), (0, 1, ADA_BEFORE)])
async def test_flag_has_writers_write_in_either_schema_and_readers_see_the_same(
    store: Store, writing: int, schema: int, payload: dict[str, Any]
) -> None:
    flagged = replace(store, upcasters=upcasters(FlagState(writing=writing)))
    ref, event = registered("ada")

    await append(flagged, await head_of(flagged, ref), [event])

    (raw,), (read,) = (await load(store, ref)).events, (await load(flagged, ref)).events
    assert (raw.event.schema, raw.event.payload) == (schema, payload)
    assert (read.event.schema, read.event.payload, read.stored_schema) == (2, ADA, schema)


async def test_store_in_memory_goes_by_the_flag_too() -> None:
    events = InMemoryEventStore(upcasters=upcasters(FlagState(writing=0)))
    ref, event = registered("ada")

    await events.append_events(ref, [event])

    (read,) = await events.get_events(ref)
    assert (read.stored_schema, read.event.payload) == (1, ADA)


def test_share_of_the_aggregates_grows_without_any_going_back() -> None:
    refs = [AggregateRef("people", "contact", f"p{number}") for number in range(1000)]

    some = {ref for ref in refs if NAMES.takes(ref, 20)}
    more = {ref for ref in refs if NAMES.takes(ref, 60)}

    assert some < more
    assert 120 < len(some) < 280
    assert [sum(NAMES.takes(ref, share) for ref in refs) for share in (0, 100)] == [0, 1000]


def test_older_and_other_events_are_written_as_they_are_given() -> None:
    flags = upcasters(FlagState(writing=0)).flags
    (old, *_) = [Event.from_block(block) for block in STORED]

    assert flags.as_written(old) is old
    other = replace(old, type="other", schema=2)
    assert flags.as_written(other) is other


def test_downcast_that_fails_is_named() -> None:
    broken = Upcasters(
        [V1_TO_V2], flags=[replace(NAMES, downcast=lambda payload: {"name": payload["nickname"]}, initial=FlagState(writing=0))]
    )

    with pytest.raises(InvalidEvent, match=r"cannot be given in schema 1, which the flag two-names asks for: KeyError: 'nickname'"):
        broken.flags.as_written(Event.from_block(STORED[1]))


def test_state_that_nobody_could_read_is_refused() -> None:
    with pytest.raises(InvalidInput, match="What is written in the newer schema must be read in it"):
        FlagState(reading=False, writing=1)
    with pytest.raises(InvalidInput, match="writing is 101"):
        FlagState(writing=101)


def test_flag_over_no_upcaster_or_declared_twice_is_refused_at_start() -> None:
    with pytest.raises(
        InvalidInput, match=r"The flag two-names is over schema 1 of people.contact.person_registered; no upcaster reads it"
    ):
        Upcasters([], flags=[NAMES])
    with pytest.raises(InvalidInput, match="declared twice; keep one"):
        Upcasters([V1_TO_V2], flags=[NAMES, replace(NAMES, name="again")])


def test_upcasters_in_a_circle_are_refused_at_start() -> None:
    back = replace(V1_TO_V2, from_schema=2, to_schema=1, apply=downgrade)

    with pytest.raises(
        InvalidInput, match="from schema 2 leads to schema 1; a step must lead to a newer schema, or reading would never end"
    ):
        Upcasters([V1_TO_V2, back])


# -- switched by an operator -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def home(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        yield store


def declared() -> Registry:
    return Registry([Domain(name="people", title="People", upcasters=[V1_TO_V2], flags=[NAMES])])


async def test_switched_flag_is_heard_of_by_other_workers(home: Store) -> None:
    here, elsewhere = declared(), declared()
    following = asyncio.create_task(follow_flags(home.connection, elsewhere.upcasters.flags))

    outcome = await carry_out(home, here, SwitchFlag(flag="two-names", reading=True, writing=20))

    async def has_heard() -> bool:
        return elsewhere.upcasters.flags.state_of("two-names") == FlagState(writing=20)

    await eventually(has_heard, seconds=30)
    following.cancel()
    assert outcome.sentence == "The flag two-names: read in the newer schema, 20 % written in the newer one."
    assert here.upcasters.flags.state_of("two-names") == FlagState(writing=20)
    assert await read_flags(home.connection) == {"two-names": FlagState(writing=20)}


async def test_plan_says_what_changes_and_refuses_what_makes_no_sense(home: Store) -> None:
    registry = declared()

    plan = await SwitchFlag(flag="two-names", reading=True, writing=50).plan(home, registry)

    assert [(change.what, change.now, change.after) for change in plan.changes] == [
        ("people.contact.person_registered is read", "in schema 2", "in schema 2"),
        ("Aggregates that write schema 2", "100 %", "50 %"),
    ]
    with pytest.raises(InvalidInput, match="The flag two-names stands so already"):
        await SwitchFlag(flag="two-names", reading=True, writing=100).plan(home, registry)
    with pytest.raises(InvalidInput, match="must be read in it"):
        await SwitchFlag(flag="two-names", reading=False, writing=100).plan(home, registry)
    with pytest.raises(InvalidInput, match="There is no flag 'three-names'; there is two-names"):
        await SwitchFlag(flag="three-names").plan(home, registry)
