"""This module is the id of a story: what one request caused, in commands, events, queries and results alike."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.events import new_id
from apps.persistence.events.identity import check_uuid


@dataclass(frozen=True, slots=True)
class CorrelationId:
    """A UUID in its text form. Raises InvalidInput for anything else."""

    text: str

    def __post_init__(self) -> None:
        check_uuid(self.text, "The correlation")

    def __str__(self) -> str:
        return self.text

    @classmethod
    def new(cls) -> CorrelationId:
        """One that no story has yet."""
        return cls(new_id())
