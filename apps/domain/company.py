"""This module is the aggregates of an organization, declared as data, each with the functions that the store and the workers take."""

from __future__ import annotations

from apps.persistence.events import AggregateDefinition
from apps.persistence.work.decide import Decide

from .agent import AGENT
from .declared.kinds import AggregateKind
from .document import DOCUMENT
from .location import LOCATION
from .organization import ORGANIZATION
from .person import PERSON
from .policy import POLICY
from .workflow import WORKFLOW

KINDS: tuple[AggregateKind, ...] = (PERSON, ORGANIZATION, AGENT, LOCATION, POLICY, DOCUMENT, WORKFLOW)
COMPANY: tuple[tuple[AggregateDefinition, Decide], ...] = tuple((kind.definition(), kind.decider()) for kind in KINDS)
