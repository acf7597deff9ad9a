"""What a replay or a rebuild counted when it began and what it applied in the end: they agree, or the receipt says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from apps.persistence.encoding import Value
from apps.persistence.operations import Rebuild, Replay
from apps.persistence.operations.declared import applied_in_words
from apps.persistence.work.operation import Operation

from .operating import Noted, carry_out, declaring, supervised, wait_for_total
from .projecting import Case, case

__all__ = ["case"]


@dataclass(slots=True, kw_only=True)
class Busy(Noted):
    """A run in whose first moment two events are stored."""

    case: Case
    reports: list[tuple[int, int]] = field(default_factory=list)

    async def report(
        self, done: int, total: int, *, checkpoint: Mapping[str, Value] | None = None, sequence: int | None = None, force: bool = False
    ) -> None:
        await Noted.report(self, done, total, checkpoint=checkpoint)
        if not self.reports:
            await self.case.add(4, 5)
        self.reports.append((done, total))


@pytest.mark.parametrize("operation", [Replay, Rebuild])
async def test_events_that_came_meanwhile_are_named(case: Case, operation: type[Replay | Rebuild]) -> None:
    definition = case.definition()
    await case.add(1, 2, 3)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 6)
        busy = Busy(case=case)

        wanted: Operation = operation(projection=definition.name)
        outcome = await carry_out(case.store, declaring(definition), wanted, busy)

    assert outcome.sentence.startswith("Applied 5 events, 2 of them stored since it began; ")
    assert (busy.reports[0], busy.reports[-1]) == ((0, 3), (5, 5))


def test_fewer_than_counted_are_explained() -> None:
    assert applied_in_words(3, 3) == "Applied 3 events"
    assert applied_in_words(2, 3) == "Applied 2 of 3 events; the others are left out, or gone from the stream"
