"""This module is how far an event travels and when: its scope, which stands in the block, and its policy, which stands in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from ..encoding import Value
from ..errors import InvalidInput
from ..events import Event, NewEvent, Scope

POLICY_KEY = "propagation"
"""Where an event's metadata holds its policy: the word alone, or `batched` with its seconds as `{"batched": 30}`."""
_ORDER = (Scope.LOCAL, Scope.CONTAINER, Scope.LEAF, Scope.CLUSTER, Scope.SUPER_CLUSTER)


class When(StrEnum):
    """When an event that may travel is sent on."""

    IMMEDIATE = "immediate"
    BATCHED = "batched"
    ON_CONNECTION = "on_connection"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationPolicy:
    """*Immediate*: at once. *Batched*: with all others that wait, once the first of them has waited `seconds`. *On connection*: the next
    time the link comes up. *Manual*: once a person releases it. Where the link is down, every one of them waits and none is lost.
    """

    when: When = When.IMMEDIATE
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if (self.when is When.BATCHED) != (self.seconds > 0):
            raise InvalidInput(
                f"A policy {self.when} of {self.seconds:g} s makes no sense; batched needs seconds above 0, no other has any."
            )


IMMEDIATE = PropagationPolicy()
ON_CONNECTION = PropagationPolicy(when=When.ON_CONNECTION)
MANUAL = PropagationPolicy(when=When.MANUAL)


def batched(seconds: float) -> PropagationPolicy:
    """Sent together after so many seconds. Raises InvalidInput unless they are above 0."""
    return PropagationPolicy(when=When.BATCHED, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEnvelope:
    """An event with how far it travels and when. Appending `to_event()` stores all three in one block."""

    event: NewEvent
    scope: Scope = Scope.CLUSTER
    policy: PropagationPolicy = IMMEDIATE

    def to_event(self) -> NewEvent:
        policy: Value = self.policy.when.value if self.policy.when is not When.BATCHED else {self.policy.when.value: self.policy.seconds}
        metadata: Mapping[str, Value] = {**self.event.metadata, POLICY_KEY: policy}
        return replace(self.event, scope=self.scope, metadata=metadata)


def policy_of(event: Event) -> PropagationPolicy:
    """The policy of a stored event: immediate where it has none. Raises InvalidInput where its metadata says something else."""
    said = event.metadata.get(POLICY_KEY, When.IMMEDIATE.value)
    try:
        if isinstance(said, dict):
            ((word, seconds),) = said.items()
            return PropagationPolicy(when=When(word), seconds=float(cast(float, seconds)))
        return PropagationPolicy(when=When(cast(str, said)))
    except (ValueError, TypeError, InvalidInput) as error:
        raise InvalidInput(
            f"Version {event.version} of {event.aggregate} has the policy {said!r}, which is none; "
            'use immediate, on_connection, manual, or {"batched": seconds}.'
        ) from error


def reaches(scope: Scope, layer: Scope) -> bool:
    """Whether an event of this scope climbs to this layer. `local` never leaves the application that wrote it."""
    return _ORDER.index(scope) >= _ORDER.index(layer)


def layer_above(layer: Scope) -> Scope | None:
    """The next layer on the way up: application, container, leaf, cluster, super-cluster; None above the last."""
    place = _ORDER.index(layer) + 1
    return _ORDER[place] if place < len(_ORDER) else None
