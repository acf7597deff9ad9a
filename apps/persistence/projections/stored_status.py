"""This module is writing down how projections stand, for readers of their models, whenever that is another thing than before."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import EncodingError
from ..read_models import READ_MODELS_BUCKET, ModelsStatus, find_projection_status, status_of, update_projection_status
from ..store import Connection, ensure_bucket
from .facts import Facts

_HISTORY = 5


class StatusWriter:
    """Stores the status of projections by their names. What is stored already is read once, so that a restart writes nothing twice."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, ModelsStatus] = {}

    async def open(self, names: Iterable[str]) -> None:
        """Read what is stored, creating the bucket if it is not there."""
        await ensure_bucket(self._connection, READ_MODELS_BUCKET, history=_HISTORY)
        for name in names:
            try:
                found = await find_projection_status(self._connection, name)
            except EncodingError:
                continue  # written anew with the first round
            if found is not None:
                self._known[name] = found

    async def write(self, all_facts: Iterable[Facts]) -> None:
        """Store each status that differs from the one before in what it says."""
        for facts in all_facts:
            status = status_from(facts)
            if status is None:
                continue
            name = facts.definition.name
            if not _says_the_same(status, self._known.get(name)):
                self._known[name] = await update_projection_status(self._connection, name, status)


def status_from(facts: Facts) -> ModelsStatus | None:
    """The status of a projection, None before it ever ran."""
    measured = facts.measured
    if facts.record is None or measured is None or measured.lag is None:
        return None
    failure = facts.fed.failure if facts.fed else None
    return status_of(
        position=measured.position.sequence,
        lag=measured.lag,
        is_rebuilding=facts.beside is not None,
        failure=failure.reason if failure else "",
    )


def _says_the_same(one: ModelsStatus, other: ModelsStatus | None) -> bool:
    """A position that moves on while nothing is left to apply is no news."""
    return other is not None and (one.kind, one.behind_by, one.reason) == (other.kind, other.behind_by, other.reason)
