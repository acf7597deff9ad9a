"""Replaying a part of a stream into the models that serve: only where events may be applied again, and never past where they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.events import StoredEvent, format_time
from apps.persistence.operations import Replay
from apps.persistence.projections import Models, ProjectionDefinition, place_of, read_position
from apps.persistence.store import EVENTS, Outgoing, get_message, store_message
from apps.persistence.work.parameters import Place

from .operating import Noted, carry_out, declaring, note_newest, supervised, wait_for_total
from .projecting import Case, case, model_in

__all__ = ["case"]


def each_event(stored: StoredEvent) -> Sequence[str]:
    return (f"order.{stored.event.aggregate.id}-{stored.event.version}",)


def keep_each(stored: StoredEvent, models: Models) -> Models:
    """One model for each event, so that applying events again ends in the same models whatever part is taken."""
    (key,) = each_event(stored)
    return {key: {"total": stored.event.payload["quantity"], "type": stored.event.type}}


async def filled(case: Case, **changes: object) -> tuple[ProjectionDefinition, list[StoredEvent]]:
    """A projection that has applied five events of two orders and two types, and those events."""
    given = {"keys": each_event, "apply": keep_each, "is_idempotent": True, **changes}
    definition = case.definition(**given)
    events = await case.add(1, 2)
    events += await case.add(4, 8, order="two")
    events += await case.add(16, event_type="item_removed")
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 31)
    return definition, events


async def spoil(case: Case, definition: ProjectionDefinition) -> None:
    """Overwrite every model with one that is wrong, behind the projection's back."""
    prefix = place_of(definition, 1).prefix
    for key, data in (await case.models(definition)).items():
        if key.startswith("order."):
            at = data.index(b"etotal") + len(b"etotal")
            await store_message(case.store.connection, Outgoing(f"{prefix}{key}", data[:at] + b"\x00" + data[at + 1 :], {}))


async def mended(case: Case, definition: ProjectionDefinition) -> list[int]:
    """The totals that are right again."""
    models: dict[str, Any] = {
        key: model_in(data)["total"] for key, data in (await case.models(definition)).items() if key.startswith("order.")
    }
    return sorted(total for total in models.values() if total)


@pytest.mark.parametrize(
    ("part", "totals"),
    [
        ({"start": 2}, [4, 8, 16]),
        ({"end": 1}, [1, 2]),
        ({"start": 1, "end": 2}, [2, 4]),
        ({"event_types": ("item_removed",)}, [16]),
        ({"aggregates": ("{context}.order.two",)}, [4, 8]),
        ({"aggregates": ("{context}.order",), "event_types": ("item_added",)}, [1, 2, 4, 8]),
    ],
    ids=str,
)
async def test_only_the_part_that_was_asked_for_is_applied_again(case: Case, part: dict[str, Any], totals: list[int]) -> None:
    definition, events = await filled(case)
    await spoil(case, definition)
    given: dict[str, Any] = {
        name: Place(str(events[value].sequence)) if isinstance(value, int) else tuple(text.format(context=case.context) for text in value)
        for name, value in part.items()
    }

    outcome = await carry_out(case.store, declaring(definition), Replay(projection=definition.name, **given))

    assert await mended(case, definition) == totals
    assert outcome.figures["events"] == len(totals)


async def test_times_bound_a_replay_as_sequences_do(case: Case) -> None:
    definition, events = await filled(case)
    await spoil(case, definition)
    start, end = [format_time((await get_message(case.store.connection, EVENTS.stream, events[place].sequence)).time) for place in (2, 4)]

    await carry_out(case.store, declaring(definition), Replay(projection=definition.name, start=Place(start), end=Place(end)))

    assert await mended(case, definition) == [4, 8]


async def test_position_stays_where_it_is_and_what_is_right_is_not_written(case: Case) -> None:
    definition, events = await filled(case)
    before = await case.models(definition)

    outcome = await carry_out(case.store, declaring(definition), Replay(projection=definition.name, start=Place(str(events[0].sequence))))

    assert await case.models(definition) == before
    assert outcome.sentence.endswith("models changed 0 times.")


async def test_new_events_wait_and_are_applied_after_it(case: Case) -> None:
    definition, events = await filled(case)
    await spoil(case, definition)
    replay = Replay(projection=definition.name, start=Place(str(events[0].sequence)))
    async with supervised(case.store, definition):
        await case.add(32)

        await carry_out(case.store, declaring(definition), replay)
        await wait_for_total(case, definition, 63)

    position = await read_position(case.store.connection, place_of(definition, 1))
    assert position.applied == 6


async def test_replay_goes_on_after_the_last_batch_of_an_interrupted_attempt(case: Case) -> None:
    definition, events = await filled(case)
    await spoil(case, definition)
    noted = Noted(checkpoint={"build": 1, "sequence": events[2].sequence, "events": 3, "changed": 3})

    outcome = await carry_out(
        case.store, declaring(definition), Replay(projection=definition.name, start=Place(str(events[0].sequence))), noted
    )

    assert await mended(case, definition) == [8, 16]
    assert outcome.figures["events"] == 5


async def test_part_cannot_go_into_models_that_would_count_events_twice(case: Case) -> None:
    definition, events = await filled(case, is_idempotent=False)

    with pytest.raises(InvalidInput, match=r"Applying events twice would change the models of .* Rebuild it instead"):
        await Replay(projection=definition.name, start=Place(str(events[0].sequence))).plan(case.store, declaring(definition))


async def test_plan_counts_the_events_and_says_what_may_go_back(case: Case) -> None:
    definition, events = await filled(case)
    newest = replace(
        definition, name=f"newest-{case.context}", keys=lambda stored: (f"order.{stored.event.aggregate.id}",), apply=note_newest
    )
    async with supervised(case.store, newest):
        await wait_for_total(case, newest, 24)
    first = Replay(projection=newest.name, end=Place(str(events[1].sequence)), start=Place(str(events[0].sequence)))

    plan = await first.plan(case.store, declaring(newest))

    assert plan.summary == f"Replay 2 events into {newest.name}, sequence {events[0].sequence:,} to {events[1].sequence:,}"
    assert any("1 of 1 models were changed later by events that this replay leaves out" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"start": Place("900000000")}, "No event lies between"),
        ({"event_types": ("a b",)}, "a b"),
        ({"aggregates": ("nothing",)}, "nothing"),
        ({"aggregates": ("elsewhere.order",)}, "takes no such events"),
        ({"event_types": ("item_added", "item_added")}, "twice"),
    ],
    ids=str,
)
async def test_part_that_makes_no_sense_is_refused(case: Case, part: dict[str, Any], words: str) -> None:
    definition, _ = await filled(case)

    with pytest.raises(InvalidInput, match=words):
        await Replay(projection=definition.name, **part).plan(case.store, declaring(definition))
