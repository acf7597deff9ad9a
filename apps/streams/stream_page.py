"""This module is the events page of a stream as a whole: a page of events, the event that is opened beside it, and where both lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.persistence.store import Store
from apps.registry import informed

from .addresses import row_query, skipped_query, tail_topic, view_command
from .browse import EventsPage, read_events
from .event_query import EventQuery
from .event_tabs import FIRST_TAB, TABS, ShownEvent, read_shown
from .ribbon import Ribbon, read_ribbon


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """What the template shows. `given` is the query string as the person wrote it."""

    page: EventsPage
    shown: ShownEvent | None
    ribbon: Ribbon | None
    given: Mapping[str, str]
    connection: str

    @property
    def row_query(self) -> str:
        """What a row's link begins with."""
        return row_query(self.given)

    @property
    def topic(self) -> str:
        """The live topic; empty on pages that new events do not belong on."""
        return tail_topic(self.connection, self.page.stream.name, self.page.query.pattern) if self.page.live_last is not None else ""

    @property
    def skipped(self) -> str:
        """Where a range leads that the tail did not show."""
        return skipped_query(self.page.query)

    @property
    def command(self) -> str:
        return view_command(self.page)


async def read_stream_view(store: Store, name: str, query: EventQuery, given: Mapping[str, str]) -> StreamView:
    """Both in one visit to the loop. Raises StreamNotFound, InvalidInput or Unavailable."""
    store = informed(store)
    connection = store.connection.settings.name
    page = await read_events(store, name, query)
    ribbon = await read_ribbon(store, page.stream)
    if query.show is None or query.problems:
        return StreamView(page=page, shown=None, ribbon=ribbon, given=given, connection=connection)
    tab = given.get("tab", FIRST_TAB)
    shown = await read_shown(store, name, query.show, tab=tab if tab in TABS else FIRST_TAB, is_full=given.get("full") == "1")
    return StreamView(page=page, shown=shown, ribbon=ribbon, given=given, connection=connection)
