"""This module is the addresses, topics and commands that the pages of events hand out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import urlencode

from django.conf import settings

from apps.keeper import HOME
from apps.live.sources import topic_at
from apps.persistence.store import Store

from .browse import PAGE_SIZE, EventsPage
from .event_query import EVERYTHING, EventQuery

LONGEST_TOPIC = 300
_FIELDS = ("subject", "from", "to", "at", "before", "after")


def resolved_address(path: str, given: Mapping[str, str], query: EventQuery) -> str:
    """The same page by sequences, where the person wrote times: it keeps meaning the same."""
    places = {"from": query.start, "to": query.end, "at": query.at}
    kept = {name: value for name, value in given.items() if name not in places}
    return f"{path}?{urlencode(kept | {name: value for name, value in places.items() if value is not None})}"


def row_query(given: Mapping[str, str]) -> str:
    """The query string that a row's link begins with: all but the event that is shown, up to where `show=` follows."""
    kept = {name: given[name] for name in _FIELDS if given.get(name)}
    return f"{urlencode(kept)}&" if kept else ""


def observed_by(store: Store) -> str:
    """The name of the observed connection that is read; nothing for the home connection."""
    name = store.connection.settings.name
    return "" if name == HOME else name


def tail_topic(connection: str, stream: str, pattern: str) -> str:
    """The live topic of a stream's new events, or nothing where the pattern is too long for one."""
    argument = f"{stream} {pattern}"
    return topic_at(connection, f"tail:{argument}") if len(argument) <= LONGEST_TOPIC else ""


def parse_tail(argument: str) -> tuple[str, str]:
    """The stream and the pattern in a topic's argument."""
    stream, _, pattern = argument.partition(" ")
    return stream, pattern or EVERYTHING


def view_command(page: EventsPage) -> str:
    """The page with the NATS command line, which reads forwards only."""
    sequences = [row.sequence for row in page.rows if hasattr(row, "sequence")]
    words = ["nats", "stream", "view", page.stream.name, str(PAGE_SIZE)]
    words += ["--id", str(min(sequences))] if sequences else []
    words += ["--subject", page.query.pattern] if page.query.is_filtered else []
    return shlex.join(words)


def command_at(connection: str, command: str) -> str:
    """A NATS command as it is given to the server of an observed connection."""
    if connection not in settings.CIM_OBSERVED:
        return command
    server = shlex.quote(settings.CIM_OBSERVED[connection]["url"])
    return command.replace("nats ", f"nats --server {server} ", 1)


def skipped_query(query: EventQuery) -> str:
    """The query string of a range of a tail that was not shown; FROM and TO are filled in where it is."""
    subject = f"&{urlencode({'subject': query.subject})}" if query.subject else ""
    return f"from=FROM&to=TO{subject}"
