"""Encrypted aggregates on a real server: appended, folded, projected, verified, copied; with the key, without it, and after its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from apps.persistence.chain import verify_aggregate
from apps.persistence.errors import InvalidInput, PayloadRedacted, PayloadUnreadable
from apps.persistence.events import (
    AggregateDefinition,
    AggregateRef,
    Algorithm,
    Destruction,
    InMemoryKeys,
    Sealing,
    Upcasters,
    new_id,
    now,
    sealed_in,
)
from apps.persistence.evolution.transform import keep, parts_of, read_to_copy
from apps.persistence.projections import run_projection
from apps.persistence.projections.definition import ProjectionDefinition
from apps.persistence.projections.runner import EventRefused
from apps.persistence.registry import Command, CommandHandler, Domain, Registry
from apps.persistence.snapshots import state_at, take
from apps.persistence.store import COMMANDS_STREAM, Store, append, decode_event, ensure_home, head_of, load, messages_of, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.commands import consume_commands, send_command
from apps.persistence.work.decide import handler_of

from .baskets import BASKET, added
from .commanding import events_of
from .projecting import TO_THE_HEAD, Case, eventually, model_in, new_context


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A store with the keys, and one without; baskets and orders of a context of its own are encrypted."""

    context: str
    store: Store
    keyless: Store
    keys: InMemoryKeys = field(default_factory=InMemoryKeys)

    @property
    def definition(self) -> Any:
        return replace(BASKET, context=self.context, encryption=Algorithm.CHACHA20_POLY1305)

    @property
    def case(self) -> Case:
        return Case(store=self.store, context=self.context)

    def basket(self, name: str = "ada") -> AggregateRef:
        return AggregateRef(self.context, "basket", name)

    async def fill(self, *items: str) -> None:
        await append(self.store, await head_of(self.store, self.basket(), leader=True), [added(item) for item in items])

    def forget(self, ref: AggregateRef) -> None:
        self.keys.destroy_keys(Destruction(subject=ref, keys=(), at=now(), by="olga", reason="asked"))


@pytest.fixture
async def ward(nats_server: EmbeddedServer) -> AsyncIterator[Ward]:
    context, keys = new_context(), InMemoryKeys()
    types = {(context, "basket"): Algorithm.CHACHA20_POLY1305, (context, "order"): Algorithm.AES_256_GCM}
    async with open_store(nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        keyed = replace(store, upcasters=Upcasters(sealing=Sealing(types=types, keys=keys)))
        yield Ward(context=context, store=keyed, keyless=store, keys=keys)


async def test_aggregate_is_stored_sealed_and_folds_for_who_has_the_key(ward: Ward) -> None:
    await ward.fill("apple", "pear")

    messages = await messages_of(ward.keyless, ward.basket())
    assert [b"apple" in message.data for message in messages] == [False, False]
    assert (await state_at(ward.store, ward.definition, ward.basket())).state == {"items": ["apple", "pear"], "count": 2}


async def test_repeated_append_of_the_same_events_is_recognised(ward: Ward) -> None:
    head = await head_of(ward.store, ward.basket())
    event = replace(added("apple"), id="019ab000-0000-7000-8000-000000000001", time=now())

    first = await append(ward.store, head, [event])
    again = await append(ward.store, head, [event])

    assert first[0].cid == again[0].cid
    assert again[0].event.payload == {"item": "apple"}


async def test_chain_verifies_without_any_key_also_when_the_key_is_destroyed(ward: Ward) -> None:
    await ward.fill("apple", "pear")
    ward.forget(ward.basket())

    verdict = await verify_aggregate(ward.keyless, ward.basket())

    assert (verdict.findings, verdict.checked) == ((), 2)


async def test_reader_without_the_key_is_told_which_one_it_lacks(ward: Ward) -> None:
    await ward.fill("apple")

    with pytest.raises(PayloadUnreadable, match=r"the key k1 is not here"):
        await load(ward.keyless, ward.basket())


async def test_state_of_a_redacted_aggregate_says_who_redacted_it(ward: Ward) -> None:
    await ward.fill("apple")
    ward.forget(ward.basket())

    with pytest.raises(PayloadRedacted, match=r"was redacted on .* by olga: asked"):
        await state_at(ward.store, ward.definition, ward.basket())


async def test_no_snapshot_of_an_encrypted_type_is_taken(ward: Ward) -> None:
    await ward.fill("apple")

    with pytest.raises(InvalidInput, match=r"a snapshot would keep the state of .* readable"):
        await take(ward.store, ward.definition, ward.basket(), by="olga")


async def test_projection_passes_over_redacted_events_and_counts_them(ward: Ward) -> None:
    await ward.case.add(3, 4, order="one")
    await ward.case.add(5, order="two")
    ward.forget(ward.case.order("one"))

    position = await run_projection(ward.store, ward.case.definition(), 1, TO_THE_HEAD)

    models = await ward.case.models(ward.case.definition())
    assert "order.one" not in models
    assert model_in(models["order.two"]) == {"items": 1, "total": 5}
    assert position.applied == 3


async def test_projection_without_the_key_stops_instead_of_leaving_events_out(ward: Ward) -> None:
    await ward.case.add(3)

    with pytest.raises(EventRefused, match=r"the key k1 is not here"):
        await run_projection(ward.keyless, ward.case.definition(), 1, TO_THE_HEAD)


async def test_projection_that_reads_no_payload_needs_no_key(ward: Ward) -> None:
    await ward.case.add(3, 4)
    counting: ProjectionDefinition = ward.case.definition(reads_payload=False, apply=lambda stored, models: count(models))

    await run_projection(ward.keyless, counting, 1, TO_THE_HEAD)

    assert model_in((await ward.case.models(counting))["order.one"]) == {"events": 2}


def count(models: Any) -> Any:
    ((key, before),) = models.items()
    return {key: {"events": (before["events"] if before else 0) + 1}}


async def test_migration_carries_sealed_events_over_as_they_are(ward: Ward) -> None:
    await ward.fill("apple")
    (message,) = await messages_of(ward.store, ward.basket())
    stored = decode_event(ward.store, message)

    copied = read_to_copy(ward.store.upcasters, stored)
    (part,) = parts_of(lambda event: [keep(event, type="renamed")], copied.event)

    assert sealed_in(copied.event) is not None
    assert (part.type, part.payload) == ("added", stored.event.payload)


async def test_command_for_an_encrypted_type_waits_for_a_worker_that_has_the_key(ward: Ward) -> None:
    await ward.store.connection.api(f"STREAM.PURGE.{COMMANDS_STREAM}")
    eve = ward.basket("eve")
    command = Command(id=new_id(), aggregate=eve, name="add", payload={"item": "fig"}, actor="desk", correlation=new_id())
    handler = handler_of(ward.definition, lambda state, command: [added(str(command.payload["item"]))])
    keyless = replace(ward.store, upcasters=Upcasters(sealing=Sealing(types=ward.store.upcasters.sealing.types)))
    tried: list[str] = []

    async def refuse(store: Store, command: Command) -> None:
        try:
            await handler(store, command)
        except PayloadUnreadable as error:
            tried.append(str(error))
            raise

    async def was_tried() -> bool:
        return bool(tried)

    await send_command(ward.store.connection, command)
    async with carrying_out(keyless, ward.definition, refuse):
        await eventually(was_tried, seconds=30)
    async with carrying_out(ward.store, ward.definition, handler):
        found = await events_of(ward.store, eve)

    assert "this process has no keys" in tried[0]
    assert found.events[0].event.payload == {"item": "fig"}


@asynccontextmanager
async def carrying_out(store: Store, definition: AggregateDefinition, handler: CommandHandler) -> AsyncIterator[None]:
    """A worker that carries out commands for as long as the block lasts."""
    stop = asyncio.Event()
    registry = Registry([Domain(name="ward", title="Ward", aggregates=[definition], commands={definition.key: handler})])
    async with asyncio.TaskGroup() as group:
        group.create_task(consume_commands(store, registry, stop, ack_wait_seconds=1))
        try:
            yield
        finally:
            stop.set()
