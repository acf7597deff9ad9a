"""This module is what every repository of whole objects can do: save, load, exists, delete, and read the revisions that are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from ..encoding import Value
from ..events.diff import Change

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What is known of an object after it was saved: `version` is the revision of its key, `subject` names what it is, times are UTC."""

    id: str
    type: str
    version: int
    last_modified: datetime
    subject: str


@dataclass(frozen=True, kw_only=True)
class Revision(Generic[T]):
    """One kept value of an object; None where it was deleted or had expired. `changes` are those since the revision before it."""

    version: int
    time: datetime
    value: T | None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Codec(Generic[T]):
    """How an object becomes a map of DAG-CBOR values, and an object again."""

    to_value: Callable[[T], dict[str, Value]]
    from_value: Callable[[dict[str, Value]], T]


PLAIN: Codec[dict[str, Value]] = Codec(to_value=dict, from_value=dict)
"""For objects that are maps already."""


class SimpleRepository(Protocol[T]):
    """Whole objects by id."""

    async def save(self, id: str, value: T, *, expected_version: int | None = None) -> Saved:
        """Store the object. With `expected_version` only if that is its version now (0: it must not exist), else RevisionConflict."""

    async def load(self, id: str) -> T | None:
        """The object, or None."""

    async def exists(self, id: str) -> bool:
        """Whether there is one."""

    async def delete(self, id: str) -> None:
        """Take it away; its earlier revisions stay readable as long as they are kept."""

    async def ids(self) -> list[str]:
        """The ids of all objects, sorted."""

    async def revisions(self, id: str) -> list[Revision[T]]:
        """The revisions that are kept, oldest first."""
