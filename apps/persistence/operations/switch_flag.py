"""This module is switching a flag over schemas: who reads and who writes the newer form of an event type, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..events import Flags, FlagState, SchemaFlag
from ..registry import Registry
from ..store import Store, read_flags, write_flag
from ..work.operation import Change, Outcome, Plan, Progress


async def flags(store: Store, registry: Registry) -> Sequence[str]:
    """Every declared flag."""
    return sorted(registry.upcasters.flags.declared)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchFlag:
    """Sets in which of two schemas an event type is read, and for what share of its aggregates it is written in the newer one."""

    title: ClassVar[str] = "Switch a schema flag"
    permission: ClassVar[str] = "operations.switch_flag"

    flag: str = field(metadata={"help": "The flag.", "choices": flags})
    reading: bool = field(
        default=False, metadata={"help": "Readers take the newer schema; without, all events are given in the older one."}
    )
    writing: int = field(
        default=0, metadata={"help": "For so many of a hundred aggregates events are written in the newer schema.", "least": 0, "most": 100}
    )

    @property
    def target(self) -> str:
        """One change at a time for each flag."""
        return f"flag/{self.flag}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What changes. Raises InvalidInput where nothing would, or for a share that nobody could read."""
        declared, wanted = self._find(registry), self._wanted
        states = await read_flags(store.connection)
        now = states.get(self.flag) or declared.initial
        if now == wanted:
            raise InvalidInput(f"The flag {self.flag} stands so already: {now}.")
        name, newer = ".".join(declared.event_type), registry.upcasters.flags.newer[declared.event_type]
        return Plan(
            summary=f"Switch the flag {self.flag}",
            saw={"reading": now.reading, "writing": now.writing},
            changes=(
                Change(what=f"{name} is read", now=_schema(now, declared, newer), after=_schema(wanted, declared, newer)),
                Change(what=f"Aggregates that write schema {newer}", now=f"{now.writing} %", after=f"{wanted.writing} %"),
            ),
            notes=(
                declared.title,
                "Workers hear of it within a moment; stored events stay as they are, and those of either schema are read as the other.",
                "Which aggregates are in the share follows from their names: one that is among 10 % is among 50 %, too.",
                "A projection that is to be the same for all its events is rebuilt after its readers were switched.",
            ),
            undo="Switch it back; what was written meanwhile is read in either schema.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Write where it stands, and go by it here at once."""
        self._find(registry)
        await write_flag(store.connection, self.flag, self._wanted)
        registry.upcasters.flags.learn(await read_flags(store.connection))
        return Outcome(sentence=f"The flag {self.flag}: {self._wanted}.")

    @property
    def _wanted(self) -> FlagState:
        return FlagState(reading=self.reading, writing=self.writing)

    def _find(self, registry: Registry) -> SchemaFlag:
        known: Flags = registry.upcasters.flags
        if self.flag not in known.declared:
            raise InvalidInput(
                f"There is no flag {self.flag[:80]!r}; there {'is ' + ', '.join(known.declared) if known.declared else 'is none'}."
            )
        return known.declared[self.flag]


def _schema(state: FlagState, flag: SchemaFlag, newer: int) -> str:
    return f"in schema {newer if state.reading else flag.from_schema}"
