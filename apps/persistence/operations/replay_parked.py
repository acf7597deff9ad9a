"""This module is applying a parked event now, after later ones, to the models as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput, ProjectionFailed
from ..projections import LateModel, ProjectionDefinition, ProjectionRecord, apply_parked, find_here, look_at_parked
from ..registry import Registry
from ..store import Store
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from .declared import find_projection

NAMED_MODELS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayParked:
    """Applies a parked event now to the models as they are, exactly once in every build that passed over it."""

    title: ClassVar[str] = "Replay a parked event"
    permission: ClassVar[str] = "operations.replay_parked"

    projection: str = field(metadata={"help": "The name of the projection.", "choices": projections})
    sequence: int = field(metadata={"help": "The sequence of the parked event.", "least": 1})
    out_of_order: bool = field(default=False, metadata={"help": "Apply it even where later events have changed the same models since."})

    @property
    def target(self) -> str:
        """One thing at a time is done to the builds of a projection."""
        return f"projection/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What it would change, and whether that comes too late. Raises InvalidInput where it still cannot be applied, or is too late."""
        definition, record = await find_projection(store, registry, self.projection)
        parked = find_here(record, definition, self.sequence)
        models = await self._look(store, definition)
        later = [model for model in models if model.changed_by > self.sequence]
        self._check_order(definition, later)
        return Plan(
            summary=f"Replay parked sequence {self.sequence:,} into {self.projection}",
            saw={"parked at": str(parked.at), "serving": record.serving},
            changes=(
                Change(what="Parked events", now=f"{len(record.parked):,}", after=f"{len(record.parked) - 1:,}"),
                *[Change(what=model.key, now=_state(model), after=_outcome(model)) for model in models[:NAMED_MODELS]],
            ),
            counts=((parked.subject or f"sequence {self.sequence:,}", 1),),
            notes=tuple(_notes(definition, record, models, later)),
            undo="It cannot be taken back in these models; a rebuild applies it in its place among the other events.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Apply it wherever it is missing. Goes on where an interrupted attempt stopped."""
        definition, record = await find_projection(store, registry, self.projection)
        if progress.checkpoint is None:
            find_here(record, definition, self.sequence)
            self._check_order(definition, [model for model in await self._look(store, definition) if model.changed_by > self.sequence])
        await progress.report(0, 1, checkpoint={"sequence": self.sequence}, force=True)
        builds = await apply_parked(store, definition, self.sequence)
        await progress.report(1, 1, force=True)
        where = f"build {', '.join(str(number) for number in builds)}" if builds else "no build, as none had passed over it"
        return Outcome(
            sentence=f"Applied sequence {self.sequence:,} of {self.projection} in {where}; it is parked no more.", figures={"events": 1}
        )

    async def _look(self, store: Store, definition: ProjectionDefinition) -> tuple[LateModel, ...]:
        try:
            return await look_at_parked(store, definition, self.sequence)
        except ProjectionFailed as error:
            raise InvalidInput(
                f"The event at sequence {self.sequence:,} still cannot be applied: {error.reason}. It stays parked; mend the cause first."
            ) from error

    def _check_order(self, definition: ProjectionDefinition, later: list[LateModel]) -> None:
        if not later or self.out_of_order or definition.is_idempotent:
            return
        newest = max(model.changed_by for model in later)
        raise InvalidInput(
            f"{len(later):,} of its models were changed since, the last at sequence {newest:,}, and applying this event after those may "
            "give other models than in order. Choose out_of_order to apply it all the same; a later rebuild puts it in its place."
        )


def _notes(definition: ProjectionDefinition, record: ProjectionRecord, models: tuple[LateModel, ...], later: list[LateModel]) -> list[str]:
    notes = ["New events wait for the moment that it takes. Every build that passed over the event gets it, each exactly once."]
    if later:
        names = ", ".join(model.key for model in later[:NAMED_MODELS])
        newest = max(model.changed_by for model in later)
        notes.append(f"Order: {names} changed since, up to sequence {newest:,}; this event is applied after those, not in its place.")
    else:
        notes.append("Order: nothing has changed these models since, so it is as if the event had been applied in its place.")
    if not models:
        notes.append("It changes no model as they are now.")
    if definition.is_idempotent:
        notes.append("The projection says that applying events again ends in the same models.")
    if len(record.parked) > 1:
        notes.append(f"{len(record.parked):,} events are parked; apply the oldest first where they belong together.")
    return notes


def _state(model: LateModel) -> str:
    return f"changed by sequence {model.changed_by:,}" if model.before is not None else "not there"


def _outcome(model: LateModel) -> str:
    if model.after is None:
        return "deleted"
    return "changed" if model.before is not None else "made"
