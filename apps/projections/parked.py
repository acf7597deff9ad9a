"""This module is the parked events of all projections, or of one: what was set aside, why, and by whom, to be decided on one by one."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.projections import Parked, at_generation, list_records
from apps.persistence.store import Store
from apps.registry import registry

from .detail import find_definition


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRow:
    """One parked event, and the stream that it lies in."""

    projection: str
    stream: str
    event: Parked


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedPage:
    """The events that are parked, the newest decision to make first. `projection` narrows it to one, empty for all."""

    projection: str
    rows: tuple[ParkedRow, ...]


async def read_parked(store: Store, projection: str = "") -> ParkedPage:
    """Raises NotFound for a projection that no domain declares, Unavailable."""
    connection = store.connection
    known = [find_definition(projection)] if projection else list(registry().projections.values())
    declared = {definition.name: definition for definition in known}
    rows = [
        ParkedRow(projection=record.name, stream=at_generation(connection, declared[record.name], event.generation).stream, event=event)
        for record in await list_records(connection)
        for event in record.parked
        if record.name in declared
    ]
    ordered = sorted(rows, key=lambda row: row.event.at, reverse=True)
    return ParkedPage(projection=projection, rows=tuple(ordered))
