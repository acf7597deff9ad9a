"""This module is what a search found, each with the address of its page, and what it tried in vain."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.urls import reverse

from apps.display.places import address_at
from apps.keeper import HOME
from apps.persistence.errors import EncodingError, InvalidEvent, InvalidInput
from apps.persistence.events import AggregateRef
from apps.persistence.store import CONSOLE, Layout, Message, Store, decode_event
from apps.registry import layout_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One thing that was found: what kind it is, its name, where its page is, and a few words more."""

    kind: str
    name: str
    address: str
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Found:
    """`exact` are what the text names, `near` what begins with it or holds it; `tried` says what was looked for in vain, and where.

    `stories` are events of one correlation, which are a result together. `left_out` counts what is near and not among `near`.
    """

    exact: list[Match] = field(default_factory=list)
    near: list[Match] = field(default_factory=list)
    stories: list[Match] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    left_out: int = 0

    @property
    def only(self) -> Match | None:
        """The one page to go to, if there is just one."""
        addresses = {match.address: match for match in self.exact}
        return next(iter(addresses.values())) if len(addresses) == 1 and not self.stories else None

    @property
    def is_empty(self) -> bool:
        return not (self.exact or self.near or self.stories)


def observed_by(store: Store) -> str:
    """The name of the observed connection that is searched; nothing for the home connection."""
    name = store.connection.settings.name
    return "" if name == HOME else name


def match_aggregate(store: Store, layout: Layout, ref: AggregateRef, *, version: int | None = None, detail: str = "") -> Match:
    """An aggregate, at a version if one is given. A run has a page of its own. On an observed connection there are only its events."""
    name = f"{ref}@{version}" if version else str(ref)
    if observed_by(store):
        pattern = layout.at_version(ref, version) if version and layout.is_chained else layout.all_of(ref)
        return match_filtered(store, layout.stream, pattern, kind="Aggregate", name=name, detail=detail or f"in {layout.stream}")
    if layout == CONSOLE and ref.type == "run" and version is None:
        return Match(kind="Run", name=ref.id, address=reverse("runs:run", args=[ref.id]), detail=detail)
    query: dict[str, object] = {} if layout_for(ref) == layout else {"stream": layout.stream}
    words = urlencode(query | ({"version": version} if version else {}))
    address = reverse("aggregates:aggregate", args=[ref.context, ref.type, ref.id])
    return Match(kind="Aggregate", name=name, address=f"{address}?{words}" if words else address, detail=detail or f"in {layout.stream}")


def match_filtered(store: Store, stream: str, pattern: str, *, kind: str, name: str, detail: str) -> Match:
    """A stream's events of one pattern."""
    address = f"{address_at(observed_by(store), 'streams:stream', stream)}?{urlencode({'subject': pattern})}"
    return Match(kind=kind, name=name, address=address, detail=detail)


def match_event(store: Store, message: Message) -> Match:
    """A message in its stream."""
    return Match(
        kind="Event",
        name=f"{message.stream} {message.sequence:,}",
        address=address_at(observed_by(store), "streams:event", message.stream, message.sequence),
        detail=message.subject,
    )


def match_version(store: Store, message: Message) -> Match:
    """An event as a version of its aggregate; where it is none, as a message in its stream."""
    parts = store.layout.parse(message.subject)
    try:
        if parts is not None and parts.version is not None and not observed_by(store):
            words = f"{parts.event} · sequence {message.sequence:,} in {message.stream}"
            return match_aggregate(store, store.layout, parts.ref, version=parts.version, detail=words)
    except InvalidInput:
        pass
    return match_event(store, message)


def describe_story(store: Store, message: Message) -> Match:
    """An event of a correlation, with who caused it and when."""
    found = match_version(store, message)
    try:
        event = decode_event(store, message).event
    except (EncodingError, InvalidEvent):
        return found
    return Match(kind=event.type, name=found.name, address=found.address, detail=f"{event.actor} · {event.time:%Y-%m-%d %H:%M:%S} UTC")
