"""This module is the operations that people can start, as the pages list them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from apps.persistence.errors import NotFound
from apps.persistence.operations import GROUPS, OPERATIONS
from apps.persistence.work.operation import Operation, can_dry_run, can_retry, unit_of
from apps.persistence.work.parameters import Parameter, parameters_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An operation by name: what it is called, what it does in one sentence, who may start it."""

    name: str
    kind: type[Operation]

    @property
    def title(self) -> str:
        return self.kind.title

    @property
    def permission(self) -> str:
        return self.kind.permission

    @property
    def description(self) -> str:
        """The first paragraph of its docstring."""
        return " ".join(inspect.cleandoc(self.kind.__doc__ or "").partition("\n\n")[0].split())

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return parameters_of(self.kind)

    @property
    def unit(self) -> str:
        """What its progress and its limit count."""
        return unit_of(self.kind)

    @property
    def can_dry_run(self) -> bool:
        """Whether it can be tried without writing."""
        return can_dry_run(self.kind)


def choices() -> tuple[Choice, ...]:
    """Every operation, in the order in which they are declared."""
    return tuple(Choice(name=name, kind=kind) for name, kind in OPERATIONS.items())


def grouped_choices() -> tuple[tuple[str, tuple[Choice, ...]], ...]:
    """Every operation under what it is about."""
    return tuple((title, tuple(Choice(name=name, kind=kind) for name, kind in group.items())) for title, group in GROUPS.items())


def find_choice(name: str) -> Choice:
    """One operation. Raises NotFound."""
    if name not in OPERATIONS:
        raise NotFound(f"There is no operation {name[:80]!r}; there are {', '.join(sorted(OPERATIONS))}.")
    return Choice(name=name, kind=OPERATIONS[name])


def title_of(name: str) -> str:
    """The title of an operation, or its name where this version of the console does not know it any more."""
    return OPERATIONS[name].title if name in OPERATIONS else name


def unit_of_operation(name: str) -> str:
    """What the progress and the limit of its runs count."""
    return unit_of(OPERATIONS[name]) if name in OPERATIONS else "events"


def can_retry_operation(name: str) -> bool:
    """Whether the operation can be done again for some items only."""
    return name in OPERATIONS and can_retry(OPERATIONS[name])
