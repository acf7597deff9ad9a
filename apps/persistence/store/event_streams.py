"""This module is making declared streams: one, or one for each aggregate type, with no subject in two of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ..errors import InvalidInput
from ..subjects import overlaps
from .connection import Connection
from .layout import Layout
from .store import ensure_stream
from .stream_config import EventStreamConfig
from .streams import StreamInfo, list_streams


async def ensure_declared(connection: Connection, declared: EventStreamConfig) -> StreamInfo:
    """The declared stream, created where it is missing; one that is there stays as it is (`drift_of` says where it differs)."""
    return await ensure_stream(connection, declared.to_config())


async def create_event_streams(
    connection: Connection, layouts: Sequence[Layout], *, retention_days: int | None = None, replicas: int | None = None
) -> list[StreamInfo]:
    """A stream for each layout, in their order; those that are there stay as they are.

    Looks first, so that all are made or none: raises InvalidInput where the subjects of two overlap, or those of one and of another stream
    on the server: an event would be stored twice, or refused.
    """
    declared = [EventStreamConfig.of(layout, retention_days=retention_days, replicas=replicas) for layout in layouts]
    _check_apart(declared, await list_streams(connection))
    return [await ensure_declared(connection, one) for one in declared]


def _check_apart(declared: Sequence[EventStreamConfig], there: Sequence[StreamInfo]) -> None:
    names = {one.name for one in declared}
    wanted = [(one.name, subject) for one in declared for subject in one.subjects]
    others = [(info.name, subject) for info in there if info.name not in names for subject in info.subjects]
    pairs = [*combinations(wanted, 2), *((one, other) for one in wanted for other in others)]
    for (name, subject), (other, theirs) in pairs:
        if name == other and subject == theirs:
            raise InvalidInput(f"The stream {name} is declared twice; declare it once.")
        if overlaps(subject, theirs):
            raise InvalidInput(
                f"{name} cannot take {subject}: {other} takes {theirs}, and an event would belong in both. "
                "Give one of them subjects of its own; nothing was made."
            )
