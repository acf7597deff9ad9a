"""This module is typed ids: each kind of aggregate has its own, so that the id of one is never taken for the id of another.

A type checker refuses the mix, two of different kinds are never equal, and a record that is given the wrong kind cannot be made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, new_id
from apps.persistence.subjects import check_token


@dataclass(frozen=True, slots=True)
class EntityId:
    """The id of one aggregate of a kind; `text` is its stable text form.

    It may be given as `p-0007` or as `people.person.p-0007`, which says its kind; another kind is refused. Raises InvalidInput.
    """

    text: str

    context: ClassVar[str] = ""
    type: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not self.type:
            raise InvalidInput("An id needs a kind: use PersonId, OrganizationId or another of them.")
        if type(self.text) is not str:
            raise InvalidInput(f"{self.text!r} is no id of {self.named()}; give its text.")
        if "." in self.text:
            object.__setattr__(self, "text", self._own_part(AggregateRef.parse(self.text)))
        check_token(self.text, f"the id of {self.named()}")

    def __str__(self) -> str:
        return self.text

    @property
    def ref(self) -> AggregateRef:
        """The aggregate that this id names."""
        return AggregateRef(self.context, self.type, self.text)

    @classmethod
    def new(cls) -> Self:
        """An id that nobody has yet."""
        return cls(new_id())

    @classmethod
    def named(cls) -> str:
        """The kind as a person says it: `an agent`."""
        return _with_article(cls.type)

    @classmethod
    def _own_part(cls, ref: AggregateRef) -> str:
        if (ref.context, ref.type) != (cls.context, cls.type):
            raise InvalidInput(f"{ref} is the id of {_with_article(ref.type)}; give the id of {cls.named()}.")
        return ref.id


def _with_article(name: str) -> str:
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


class PersonId(EntityId):
    """A person."""

    __slots__ = ()
    context, type = "people", "person"


class OrganizationId(EntityId):
    """An organization, or a part of one."""

    __slots__ = ()
    context, type = "organizations", "organization"


class AgentId(EntityId):
    """An agent that acts for somebody."""

    __slots__ = ()
    context, type = "agents", "agent"


class LocationId(EntityId):
    """A place, physical or not."""

    __slots__ = ()
    context, type = "locations", "location"


class PolicyId(EntityId):
    """A policy."""

    __slots__ = ()
    context, type = "policies", "policy"


class DocumentId(EntityId):
    """A document."""

    __slots__ = ()
    context, type = "documents", "document"


class WorkflowId(EntityId):
    """One run of a workflow."""

    __slots__ = ()
    context, type = "workflows", "workflow"
