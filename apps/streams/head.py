"""This module is the figures that head a stream's pages."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.store import StreamInfo
from apps.registry import registry

from .acts import StreamAct, acts_on
from .marks import layouts_of
from .rates import RATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A stream and how fast it grows, in events a second; None until that is known. `is_chained`: its chains can be verified."""

    stream: StreamInfo
    rate: float | None
    is_chained: bool = False

    @property
    def lagging(self) -> tuple[str, ...]:
        """The replicas that are not up to date."""
        return lagging_replicas(self.stream)

    @property
    def acts(self) -> tuple[StreamAct, ...]:
        """What can be done to the stream."""
        return acts_on(self.stream)

    @property
    def current(self) -> int:
        """How many replicas are up to date."""
        return self.stream.replicas - len(self.lagging)


def head_of(stream: StreamInfo) -> Head:
    """What is known of a stream now."""
    is_chained = any(layout.is_chained for layout in layouts_of(registry().layouts, stream.name))
    return Head(stream=stream, rate=RATES.per_second(stream), is_chained=is_chained)


def lagging_replicas(stream: StreamInfo) -> tuple[str, ...]:
    """The names of replicas that are offline or behind the leader."""
    return tuple(follower.name for follower in stream.followers if follower.is_offline or not follower.is_current)
