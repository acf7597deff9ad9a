"""This module is the operator trail: the newest events of CIM-CONSOLE, which nobody can change through the console."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.errors import EncodingError, InvalidEvent, NotFound
from apps.persistence.events import StoredEvent
from apps.persistence.store import CONSOLE, Store, decode_event, get_stream, page_back
from apps.registry import registry

SHOWN = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One event of the trail, and what its definition says of it in a few words."""

    stored: StoredEvent
    summary: str


async def read_trail(store: Store) -> list[Deed]:
    """The newest events of CIM-CONSOLE, newest first; none where there is no such stream yet. Unreadable ones are the audit's matter."""
    try:
        info = await get_stream(store.connection, CONSOLE.stream)
    except NotFound:
        return []
    page = await page_back(store.connection, info, before_sequence=info.last_sequence + 1, limit=SHOWN)
    deeds = []
    for message in reversed(page.messages):
        try:
            stored = decode_event(store.on(CONSOLE), message)
        except (EncodingError, InvalidEvent):
            continue
        deeds.append(Deed(stored=stored, summary=_summary(stored)))
    return deeds


def _summary(stored: StoredEvent) -> str:
    definition = registry().definition_of(stored.event.aggregate)
    return definition.summarise(stored.event) if definition and definition.summarise else ""
