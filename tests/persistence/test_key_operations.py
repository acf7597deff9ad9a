"""Destroying and rotating keys as an operator does it: what goes, what stays, and what is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from apps.persistence.chain import verify_aggregate
from apps.persistence.errors import AggregateNotFound, InvalidInput, PayloadRedacted
from apps.persistence.events import AggregateRef, Algorithm, FileKeys, sealed_in
from apps.persistence.operations import DestroyKeys, RotateKeys
from apps.persistence.projections import Orders, run_projection
from apps.persistence.projections.builtin import find_newest_state, newest_state_projections
from apps.persistence.registry import Domain, Registry
from apps.persistence.snapshots import list_snapshots, state_at, take
from apps.persistence.store import Store, append, decode_event, ensure_home, find_redaction, head_of, messages_of, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .baskets import BASKET, added
from .operating import Noted, carry_out
from .projecting import Case, new_context


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A store that writes baskets of a context of its own encrypted, and what is declared there."""

    store: Store
    registry: Registry
    keys: FileKeys
    context: str

    def basket(self, name: str = "ada") -> AggregateRef:
        return AggregateRef(self.context, "basket", name)

    async def fill(self, name: str = "ada", *, store: Store | None = None) -> None:
        store = store or self.store
        await append(store, await head_of(store, self.basket(name), leader=True), [added("apple")])

    async def keys_used(self, name: str = "ada") -> list[str]:
        messages = await messages_of(self.store, self.basket(name))
        return [sealed.key for message in messages if (sealed := sealed_in(decode_event(self.store, message).event))]


@pytest.fixture
async def ward(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Ward]:
    context, keys = new_context(), FileKeys(tmp_path / "keys")
    basket = replace(BASKET, context=context, encryption=Algorithm.AES_256_GCM)
    async with open_store(nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        reader = Case(store=store, context=context).definition(name=f"reader-{context}")
        registry = Registry([Domain(name="ward", title="Ward", aggregates=[basket], projections=[reader])], keys=keys)
        yield Ward(store=replace(store, upcasters=registry.upcasters), registry=registry, keys=keys, context=context)


async def test_plan_says_what_nobody_can_read_any_more_and_what_stays(ward: Ward) -> None:
    await ward.fill()

    plan = await DestroyKeys(aggregate=str(ward.basket())).plan(ward.store, ward.registry)

    assert [(change.what, change.now, change.after) for change in plan.changes] == [
        ("Keys", "k1", "none"),
        ("Encrypted payloads", "readable with the keys", "redacted, for everybody"),
        ("Events and their chain", "1 events", "as they are; they verify as before"),
    ]
    assert plan.confirm_with == str(ward.basket())
    assert f"until they are rebuilt: reader-{ward.context}." in plan.notes[2]


async def test_destroyed_keys_redact_the_payloads_and_leave_the_chain_whole(ward: Ward) -> None:
    await ward.fill()
    await ward.fill()

    outcome = await carry_out(ward.store, ward.registry, DestroyKeys(aggregate=str(ward.basket())))

    assert outcome.sentence == f"Destroyed 1 key of {ward.basket()}; its encrypted payloads are redacted."
    assert [sample.what for sample in outcome.samples] == [f"reader-{ward.context}"]
    assert (await verify_aggregate(ward.store, ward.basket())).findings == ()
    with pytest.raises(PayloadRedacted, match=r"was redacted on .* by olga: because"):
        await state_at(ward.store, ward.registry.aggregates[ward.context, "basket"], ward.basket())


async def test_destruction_is_recorded_where_everybody_can_read_it(ward: Ward) -> None:
    await ward.fill()

    await carry_out(ward.store, ward.registry, DestroyKeys(aggregate=str(ward.basket())))

    redaction = await find_redaction(ward.store, ward.basket())
    assert redaction is not None
    gone = redaction.destruction
    assert (gone.keys, gone.by, gone.reason, redaction.run) == (("k1",), "olga", "because", "run-of-a-test")
    assert await find_redaction(ward.store, ward.basket("bob")) is None


async def test_run_that_was_interrupted_after_the_keys_were_gone_is_finished(ward: Ward) -> None:
    await ward.fill()
    destroy = DestroyKeys(aggregate=str(ward.basket()))

    first = await destroy.run(ward.store, ward.registry, Noted())
    again = await destroy.run(ward.store, ward.registry, Noted(requested_by="oscar"))

    assert first == again
    redaction = await find_redaction(ward.store, ward.basket())
    assert redaction is not None
    assert redaction.destruction.by == "olga"


async def test_state_that_was_kept_before_the_type_was_encrypted_goes_too(ward: Ward) -> None:
    plain = replace(BASKET, context=ward.context)
    unsealed = replace(ward.store, upcasters=Registry([]).upcasters)
    await ward.fill(store=unsealed)
    await take(unsealed, plain, ward.basket(), by="olga")
    (newest,) = newest_state_projections([plain])
    await run_projection(unsealed, newest, 1, Orders(until=10**12))
    await ward.fill()
    assert await find_newest_state(ward.store.connection, plain, ward.basket()) is not None

    await carry_out(ward.store, ward.registry, DestroyKeys(aggregate=str(ward.basket())))

    assert await list_snapshots(ward.store, ward.basket()) == []
    assert await find_newest_state(ward.store.connection, plain, ward.basket()) is None


async def test_what_cannot_be_destroyed_is_refused_with_the_reason(ward: Ward) -> None:
    await ward.fill()
    await ward.fill("bob")
    other = AggregateRef(ward.context, "crate", "c1")
    await append(ward.store, await head_of(ward.store, other), [added("nail")])
    await carry_out(ward.store, ward.registry, DestroyKeys(aggregate=str(ward.basket())))

    with pytest.raises(InvalidInput, match=r"was redacted on .* already; there is nothing left to destroy"):
        await DestroyKeys(aggregate=str(ward.basket())).plan(ward.store, ward.registry)
    with pytest.raises(AggregateNotFound, match=r"CIM-EVENTS holds no event of .*\.nobody"):
        await DestroyKeys(aggregate=str(ward.basket("nobody"))).plan(ward.store, ward.registry)
    with pytest.raises(InvalidInput, match=r"\.crate is not encrypted, so .* has no keys"):
        await DestroyKeys(aggregate=str(other)).plan(ward.store, ward.registry)
    with pytest.raises(InvalidInput, match="This process has no keys"):
        await DestroyKeys(aggregate=str(ward.basket("bob"))).plan(ward.store, Registry([]))


async def test_worker_without_the_keys_does_not_say_that_it_destroyed_them(ward: Ward, tmp_path: Path) -> None:
    await ward.fill()
    elsewhere = Registry(ward.registry.domains, keys=FileKeys(tmp_path / "elsewhere"))

    with pytest.raises(InvalidInput, match=r"This worker has no keys of .*, so it cannot destroy them"):
        await DestroyKeys(aggregate=str(ward.basket())).run(ward.store, elsewhere, Noted())

    assert await find_redaction(ward.store, ward.basket()) is None


async def test_rotating_a_type_gives_each_aggregate_a_new_key(ward: Ward) -> None:
    await ward.fill("ada")
    await ward.fill("bob")

    outcome = await carry_out(ward.store, ward.registry, RotateKeys(type=f"{ward.context}.basket"))

    await ward.fill("ada")
    await ward.fill("bob")
    assert outcome.sentence == "2 aggregates have a new key."
    assert [await ward.keys_used(name) for name in ("ada", "bob")] == [["k1", "k2"], ["k1", "k2"]]


async def test_rotating_one_aggregate_leaves_the_others(ward: Ward) -> None:
    await ward.fill("ada")
    await ward.fill("bob")

    outcome = await carry_out(ward.store, ward.registry, RotateKeys(scope="aggregate", aggregate=str(ward.basket())))

    assert outcome.sentence == "1 aggregate has a new key."
    assert [ward.keys.key_ids(ward.basket(name)) for name in ("ada", "bob")] == [("k1", "k2"), ("k1",)]


async def test_rotation_goes_on_behind_the_last_aggregate_that_it_reported(ward: Ward) -> None:
    await ward.fill("ada")
    await ward.fill("bob")

    await RotateKeys(type=f"{ward.context}.basket").run(ward.store, ward.registry, Noted(checkpoint={"after": str(ward.basket("ada"))}))

    assert [ward.keys.key_ids(ward.basket(name)) for name in ("ada", "bob")] == [("k1",), ("k1", "k2")]


async def test_nothing_to_rotate_is_refused(ward: Ward) -> None:
    with pytest.raises(InvalidInput, match=r"No keys of .*\.basket are here, so there is nothing to rotate"):
        await RotateKeys(type=f"{ward.context}.basket").plan(ward.store, ward.registry)
