"""This module is the aggregates of an organization, declared as data, each with the functions that the store and the workers take."""

from __future__ import annotations

from .agent import AGENT
from .cqrs import CommandSet
from .declared.kinds import AggregateKind
from .document import DOCUMENT
from .location import LOCATION
from .organization import ORGANIZATION
from .person import PERSON
from .policy import POLICY
from .workflow import WORKFLOW

KINDS: tuple[AggregateKind, ...] = (PERSON, ORGANIZATION, AGENT, LOCATION, POLICY, DOCUMENT, WORKFLOW)
COMPANY: tuple[CommandSet, ...] = tuple(kind.command_set(kind.definition()) for kind in KINDS)
