"""This module is rotating keys: new events are sealed by new keys, and older keys go on opening what they sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from ..errors import InvalidInput, PayloadRedacted
from ..events import AggregateRef
from ..registry import Registry
from ..store import Store
from ..work.operation import Change, Outcome, Plan, Progress
from .destroy_keys import check_encrypted, keys_of

_BATCH = 20


async def encrypted_types(store: Store, registry: Registry) -> Sequence[str]:
    """Every type of aggregates that is declared as encrypted, as context.type."""
    return sorted(".".join(key) for key in registry.upcasters.sealing.types)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKeys:
    """Gives an aggregate, or all of a type that have keys, a new key for what is stored from now on."""

    title: ClassVar[str] = "Rotate keys"
    permission: ClassVar[str] = "operations.rotate_keys"
    unit: ClassVar[str] = "aggregates"

    scope: Literal["aggregate", "type"] = field(default="type", metadata={"help": "One aggregate, or all of a type."})
    aggregate: str = field(default="", metadata={"help": "For one: the aggregate as context.type.id."})
    type: str = field(default="", metadata={"help": "For a type: which one.", "choices": encrypted_types})

    @property
    def target(self) -> str:
        """One thing at a time is done to the keys of an aggregate, or of a type."""
        return f"keys/{self.aggregate if self.scope == 'aggregate' else self.type}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """How many get a new key. Raises InvalidInput where none would."""
        subjects = self._subjects(registry)
        count = len(subjects)
        return Plan(
            summary=f"Rotate the key of {subjects[0]}" if count == 1 else f"Rotate the keys of {count:,} aggregates",
            saw={},
            changes=(
                Change(what="Aggregates with a new key", now="0", after=f"{count:,}"),
                Change(what="What is stored from now on", now="sealed by the present key", after="sealed by the new one"),
                Change(what="What is stored already", now="as it is", after="as it is; older keys stay, to open it"),
            ),
            counts=((self.aggregate or self.type, count),),
            undo="It cannot be undone, and nothing is lost with it: all keys stay.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """One aggregate after another; an interrupted run goes on behind the last one that it reported."""
        keys, subjects = keys_of(registry), self._subjects(registry)
        after = cast(str, progress.checkpoint["after"]) if progress.checkpoint else ""
        done = sum(str(subject) <= after for subject in subjects)
        for subject in subjects[done:]:
            try:
                keys.rotate_key(subject)
            except PayloadRedacted:
                progress.log(f"{subject} is redacted; it gets no new key.")
            done += 1
            if done % _BATCH == 0:
                await progress.report(done, len(subjects), checkpoint={"after": str(subject)})
        await progress.report(done, len(subjects), checkpoint={"after": str(subjects[-1])}, force=True)
        return Outcome(sentence=f"{done:,} aggregate{' has' if done == 1 else 's have'} a new key.")

    def _subjects(self, registry: Registry) -> Sequence[AggregateRef]:
        keys = keys_of(registry)
        if self.scope == "aggregate":
            ref = AggregateRef.parse(self.aggregate)
            check_encrypted(registry, keys, ref)
            found = [ref] if keys.key_ids(ref) else []
        else:
            context, _, kind = self.type.partition(".")
            found = sorted(keys.subjects(context, kind), key=str)
        if not found:
            raise InvalidInput(
                f"No keys of {self.aggregate or self.type or 'a type that is named'} are here, so there is nothing to rotate."
            )
        return found
