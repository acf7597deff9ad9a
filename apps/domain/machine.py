"""This module is state machines as tables: from each state, the states that may follow; everything else is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from apps.persistence.errors import InvalidState

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMachine(Generic[S]):
    """`what` is said in errors. Every state is a key of `transitions`; one that nothing follows is final."""

    what: str
    transitions: Mapping[S, frozenset[S]]

    def allows(self, current: S, wanted: S) -> bool:
        """Whether `wanted` may follow `current`."""
        return wanted in self.transitions[current]

    def is_final(self, state: S) -> bool:
        """Whether nothing follows `state`."""
        return not self.transitions[state]

    def check(self, current: S, wanted: S) -> None:
        """Raises InvalidState unless `wanted` may follow `current`."""
        if not self.allows(current, wanted):
            following = ", ".join(state for state in self.transitions if state in self.transitions[current])
            rest = f"it can only become {following}" if following else f"{current} is final"
            raise InvalidState(f"The {self.what} is {current} and cannot become {wanted}; {rest}.")
