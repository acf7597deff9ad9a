"""This module is the aggregates of an organization, declared as data, each with the functions that the store and the workers take."""

from __future__ import annotations

from apps.persistence.events import AggregateDefinition
from apps.persistence.work.decide import Decide

from .declared.kinds import AggregateKind
from .person import PERSON

KINDS: tuple[AggregateKind, ...] = (PERSON,)
COMPANY: tuple[tuple[AggregateDefinition, Decide], ...] = tuple((kind.definition(), kind.decider()) for kind in KINDS)
