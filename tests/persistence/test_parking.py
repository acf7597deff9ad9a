"""Parking: a poison event is set aside, nothing is lost silently, and it is applied later exactly once, or left out with a note."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.persistence.errors import InvalidInput, KeyNotFound
from apps.persistence.operations import DismissParked, Park, Rebuild, ReplayParked, Retry
from apps.persistence.projections import ProjectionDefinition, apply_parked, build_beside, place_of, read_position, read_record
from apps.persistence.registry import Registry

from .operating import Noted, carry_out, declaring, model_of, refuse_thirteen, supervised, wait_for_stop, wait_for_total
from .projecting import Case, add_up, case

__all__ = ["case"]


async def park_thirteen(case: Case, definition: ProjectionDefinition, *, order: str = "one") -> tuple[int, Registry]:
    """Add a thirteen and a two to the order, have the projection stop at the first, and park it."""
    poison, _ = await case.add(13, 2, order=order)
    registry = declaring(definition)
    async with supervised(case.store, definition):
        await wait_for_stop(case, definition, poison.sequence)
        park = Park(projection=definition.name, sequence=poison.sequence, note="ask the shop")
        await carry_out(case.store, registry, park)
        await wait_for_total(case, definition, 2)
    return poison.sequence, registry


async def test_projection_goes_on_past_a_parked_event_which_keeps_its_reason_and_note(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)

    sequence, _ = await park_thirteen(case, definition)

    (parked,) = (await read_record(case.store.connection, definition.name)).parked
    assert (parked.sequence, parked.reason) == (sequence, "ValueError: thirteen is unlucky")
    assert (parked.note, parked.by) == ("ask the shop", "olga")
    assert parked.aggregate == f"{case.context}.order.one"


async def test_parked_event_is_applied_later_and_counts_once(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    sequence, _ = await park_thirteen(case, definition)
    mended = replace(definition, apply=add_up)

    outcome = await carry_out(case.store, declaring(mended), ReplayParked(projection=definition.name, sequence=sequence, out_of_order=True))
    await apply_parked(case.store, mended, sequence)

    assert outcome.sentence == f"Applied sequence {sequence:,} of {definition.name} in build 1; it is parked no more."
    assert await case.total(definition) == 15
    assert (await read_record(case.store.connection, definition.name)).parked == ()


async def test_parked_event_does_not_set_its_model_back_to_an_older_event(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    sequence, _ = await park_thirteen(case, definition)
    before = await model_of(case, definition, "order.one")

    await apply_parked(case.store, replace(definition, apply=add_up), sequence)

    after = await model_of(case, definition, "order.one")
    assert after["model"] == {"items": 2, "total": 15}
    assert after["metadata"] == before["metadata"]


async def test_plan_names_the_models_that_later_events_have_changed_since(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    sequence, _ = await park_thirteen(case, definition)
    registry = declaring(replace(definition, apply=add_up))

    with pytest.raises(InvalidInput, match="1 of its models were changed since"):
        await ReplayParked(projection=definition.name, sequence=sequence).plan(case.store, registry)
    plan = await ReplayParked(projection=definition.name, sequence=sequence, out_of_order=True).plan(case.store, registry)

    assert plan.notes[1].startswith("Order: order.one changed since")


async def test_parked_event_of_a_model_that_rested_is_applied_without_a_question(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    (poison,) = await case.add(13, order="still")
    async with supervised(case.store, definition):
        await wait_for_stop(case, definition, poison.sequence)
        await carry_out(case.store, declaring(definition), Park(projection=definition.name, sequence=poison.sequence, note="wait"))
        await case.add(4)
        await wait_for_total(case, definition, 4)

    await carry_out(
        case.store,
        declaring(replace(definition, apply=add_up)),
        ReplayParked(projection=definition.name, sequence=poison.sequence),
    )

    assert await case.total(definition) == 17


async def test_event_that_still_cannot_be_applied_stays_parked(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    sequence, registry = await park_thirteen(case, definition)

    with pytest.raises(InvalidInput, match="still cannot be applied: ValueError: thirteen is unlucky"):
        await ReplayParked(projection=definition.name, sequence=sequence, out_of_order=True).run(case.store, registry, Noted())

    assert [parked.sequence for parked in (await read_record(case.store.connection, definition.name)).parked] == [sequence]


async def test_every_build_that_passed_over_a_parked_event_gets_it(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    sequence, registry = await park_thirteen(case, definition)
    await carry_out(case.store, registry, Rebuild(projection=definition.name))

    builds = await apply_parked(case.store, replace(definition, apply=add_up), sequence)

    assert builds == (1, 2)
    assert await case.total(definition, build=1) == await case.total(definition, build=2) == 15


async def test_build_that_is_filled_later_meets_the_event_in_its_place(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    sequence, _ = await park_thirteen(case, definition)
    mended = replace(definition, apply=add_up)
    await apply_parked(case.store, mended, sequence)

    rebuilt = await build_beside(case.store, mended)

    position = await read_position(case.store.connection, place_of(definition, rebuilt.build))
    assert position.left_out == ()
    assert await case.total(definition, build=2) == 15


async def test_dismissed_event_is_left_out_for_good_with_its_note(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    sequence, registry = await park_thirteen(case, definition)

    await carry_out(case.store, registry, DismissParked(projection=definition.name, sequence=sequence, note="a test order"))

    record = await read_record(case.store.connection, definition.name)
    assert record.parked == ()
    assert [(skip.sequence, skip.note, skip.by) for skip in record.skips] == [(sequence, "a test order", "olga")]


async def test_what_is_not_parked_can_be_neither_replayed_nor_dismissed(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    _, registry = await park_thirteen(case, definition)

    with pytest.raises(KeyNotFound, match="No event is parked at sequence 1 "):
        await ReplayParked(projection=definition.name, sequence=1).plan(case.store, registry)
    with pytest.raises(KeyNotFound, match="No event is parked at sequence 1 "):
        await DismissParked(projection=definition.name, sequence=1, note="no").plan(case.store, registry)


async def test_only_the_event_at_which_a_projection_stopped_can_be_parked_or_retried(case: Case) -> None:
    definition = case.definition()
    await case.add(1)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 1)

    with pytest.raises(InvalidInput, match="is not stopped at sequence 7"):
        await Park(projection=definition.name, sequence=7, note="why").plan(case.store, declaring(definition))
    with pytest.raises(InvalidInput, match="nothing to retry"):
        await Retry(projection=definition.name).plan(case.store, declaring(definition))


async def test_retry_stops_at_the_same_event_until_its_cause_is_mended(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    (poison,) = await case.add(13)
    async with supervised(case.store, definition):
        await wait_for_stop(case, definition, poison.sequence)
        plan = await Retry(projection=definition.name).plan(case.store, declaring(definition))
        await carry_out(case.store, declaring(definition), Retry(projection=definition.name))
        await wait_for_stop(case, definition, poison.sequence)
    mended = replace(definition, apply=add_up)
    async with supervised(case.store, mended):
        await carry_out(case.store, declaring(mended), Retry(projection=definition.name))
        await wait_for_total(case, mended, 13)

    assert plan.saw == {"stopped at": poison.sequence}
