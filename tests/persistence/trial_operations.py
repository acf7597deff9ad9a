"""This module is operations for tests of the engine: one counts slowly and says what it met, with a parameter of every kind."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput
from apps.persistence.registry import Registry
from apps.persistence.store import Store, get_stream, kv_put
from apps.persistence.work.operation import Outcome, Plan, Progress, Sample
from apps.persistence.work.parameters import Place
from apps.persistence.work.parts import in_parts

STEP_SECONDS = 0.02
COUNTED = "counted"


async def fruits(store: Store, registry: Registry) -> Sequence[str]:
    return ["apple", "pear", "plum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Counts to a number, one step after the other."""

    title: ClassVar[str] = "Count"
    permission: ClassVar[str] = "operations.count"

    to: int = field(default=3, metadata={"help": "How far.", "least": 1, "most": 100_000})
    name: str = field(default="count", metadata={"help": "What is counted."})
    how: Literal["up", "down"] = field(default="up", metadata={"help": "Which way."})
    fruit: str = field(default="apple", metadata={"help": "Of which fruit.", "choices": fruits})
    fruits: tuple[str, ...] = field(default=(), metadata={"help": "And which others.", "choices": fruits})
    start: Place = field(default=Place("1"), metadata={"help": "From where."})
    note: str = field(default="", metadata={"help": "A note.", "lines": True})
    most: int | None = field(default=None, metadata={"help": "An upper end."})
    is_exact: bool = field(default=True, metadata={"help": "Whether nothing may move."})

    @property
    def target(self) -> str:
        return f"count/{self.name}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        if self.how == "down":
            raise InvalidInput("how is down; this counts up only.")
        last = (await get_stream(store.connection, "CIM-EVENTS")).last_sequence
        return Plan(summary=f"Count to {self.to}", saw={"last sequence of CIM-EVENTS": last} if self.is_exact else {})

    async def dry_run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        samples = tuple(Sample(what=f"step {number}", now=str(number - 1), after=str(number)) for number in range(1, self.to + 1))
        return Outcome(sentence=f"Would count to {self.to}.", figures={"events": self.to}, samples=samples)

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        done = cast(int, (progress.checkpoint or {"done": 0})["done"])
        while done < self.to:
            done += 1
            await kv_put(store.connection, "cim-runs", COUNTED, str(done).encode())
            await progress.report(done, self.to, checkpoint={"done": done}, sequence=done)
            await asyncio.sleep(STEP_SECONDS)
        return Outcome(sentence=f"Counted to {self.to}.", figures={"events": self.to})

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        return "What was counted stays counted."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Picks up numbers one by one; some of them cannot be picked up."""

    title: ClassVar[str] = "Pick"
    permission: ClassVar[str] = "operations.pick"

    count: int = field(default=30, metadata={"help": "How many."})
    broken: int = field(default=7, metadata={"help": "Every so many fail, 0 for none."})
    only: tuple[str, ...] = field(default=(), metadata={"help": "Only these."})

    @property
    def target(self) -> str:
        return "pick/all"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        return Plan(summary=f"Pick {len(self.only) or self.count}", saw={}, counts=(("numbers", self.count),))

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        numbers = self.only or tuple(str(number) for number in range(1, self.count + 1))
        for done, number in enumerate(numbers, start=1):
            if self.broken and int(number) % self.broken == 0:
                progress.fail(number, f"{self.broken} divides it", f"/numbers/{number}/")
            await progress.report(done, len(numbers), checkpoint={"done": done})
        return Outcome(sentence=f"Picked {len(numbers)}: {' '.join(numbers)}."[:200], figures={"events": len(numbers)})


_IN_HAND: defaultdict[str, set[int]] = defaultdict(set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Adds up numbers in parts; one part can be broken."""

    title: ClassVar[str] = "Sum"
    permission: ClassVar[str] = "operations.sum"

    parts: int = field(default=6, metadata={"help": "How many parts."})
    size: int = field(default=10, metadata={"help": "How many numbers in each."})
    broken: int = field(default=0, metadata={"help": "The part that cannot be done, 0 for none."})
    together: int = field(default=1, metadata={"help": "How many parts have to be in hand at once before any goes on."})

    @property
    def target(self) -> str:
        return "sum/all"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        return Plan(summary=f"Sum in {self.parts} parts", saw={})

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        wanted: list[Value] = [[1 + part * self.size, (part + 1) * self.size] for part in range(self.parts)]
        sums = cast("list[int]", await in_parts(store, progress, wanted, total=self.parts * self.size))
        return Outcome(sentence=f"The sum is {sum(sums)}.", figures={"events": self.parts * self.size})

    async def run_part(self, store: Store, registry: Registry, part: Value, progress: Progress) -> Value:
        first, last = cast("list[int]", part)
        if self.broken and first == 1 + (self.broken - 1) * self.size:
            raise InvalidInput("The numbers are torn.")
        in_hand = _IN_HAND[progress.run_id]
        in_hand.add(first)
        while len(in_hand) < self.together:  # noqa: ASYNC110 (workers of several event loops may meet here)
            await asyncio.sleep(STEP_SECONDS)
        kept = cast("dict[str, int]", progress.checkpoint or {"at": first, "sum": 0})
        for number in range(kept["at"], last + 1):
            kept = {"at": number + 1, "sum": kept["sum"] + number}
            if number % 7 == 0:
                progress.fail(str(number), "seven divides it")
            await progress.report(number - first + 1, last - first + 1, checkpoint=cast("dict[str, Value]", kept))
            await asyncio.sleep(STEP_SECONDS)
        return kept["sum"]
