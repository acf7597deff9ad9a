"""This module is the answer to "which routes does this subject take?": routes, streams, projections, consumers and commands, each with why.

What is asked may be the subject of an event as it is stored, the short form that routes see, or any other subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from apps.persistence.encoding import decode
from apps.persistence.errors import InvalidSubject, NoMapping, PersistenceError
from apps.persistence.projections.placing import placed
from apps.persistence.routing import (
    NatsMessage,
    RoutePattern,
    RouterDefinition,
    RoutingStrategy,
    message_of,
    parse_subject,
    router_of,
    target_of,
)
from apps.persistence.store import Layout, Store, StreamInfo, decode_event, find_layout, get_last, list_consumers, list_streams
from apps.persistence.subjects import ShortSubject, broken_rules, check_subject, matches
from apps.registry import registry

_CHOSEN = {
    RoutingStrategy.FIRST_MATCH: "of all routes that match, the one that was added first is taken",
    RoutingStrategy.ALL_MATCHES: "every route that matches is taken",
    RoutingStrategy.PRIORITY_BASED: "of all routes that match, the one of the highest priority is taken",
    RoutingStrategy.ROUND_ROBIN: "the routes that match take turns, and this one is next",
}
_LEFT = {
    RoutingStrategy.FIRST_MATCH: "it matches, but a route that was added before it matches too",
    RoutingStrategy.ALL_MATCHES: "",
    RoutingStrategy.PRIORITY_BASED: "it matches, but one of a higher priority, or of the same and added before, matches too",
    RoutingStrategy.ROUND_ROBIN: "it matches, but it is the turn of another that matches",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that takes the subject, or a route that does not. `why` names the rule that decides."""

    kind: str
    name: str
    pattern: str
    is_taken: bool
    why: str
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Takers:
    """The answer. `event` is the short form that routes see, empty where the subject is none of an event. `broken` are rules of design."""

    subject: str
    event: str
    is_stored: bool
    lines: tuple[Line, ...]
    broken: tuple[str, ...] = ()

    @property
    def taken(self) -> list[Line]:
        return [line for line in self.lines if line.is_taken]

    @property
    def left(self) -> list[Line]:
        return [line for line in self.lines if not line.is_taken]


async def who_takes(store: Store, subject: str) -> Takers:
    """Everything that takes messages on a subject. Raises InvalidSubject, Unavailable."""
    check_subject(subject)
    streams = [info for info in await list_streams(store.connection) if _pattern_of(info.subjects, subject)]
    message, is_stored = await _as_event(store, subject, streams)
    lines = [
        *(_stream(info, subject) for info in streams),
        *(line for definition in registry().routers.values() for line in _routes(store, definition, message, streams)),
        *_projections(store, subject, streams),
        *[line for info in streams for line in await _consumers(store, info, subject)],
        *_commands(subject),
    ]
    return Takers(
        subject=subject, event=message.subject if message else "", is_stored=is_stored, lines=tuple(lines), broken=broken_rules(subject)
    )


async def _as_event(store: Store, subject: str, streams: Sequence[StreamInfo]) -> tuple[NatsMessage | None, bool]:
    """The message that routes see, and whether the event is stored. An event that is not yet stored is taken to be of the newest schema."""
    try:
        return NatsMessage(subject=str(parse_subject(subject))), False
    except InvalidSubject:
        pass
    for info in streams:
        layout = find_layout(registry().layouts, info.name)
        parts = layout.parse(subject) if layout and layout.is_chained else None
        if layout is None or parts is None or parts.event is None:
            continue
        reader = store.on(layout)
        stored = await get_last(store.connection, info.name, subject)
        if stored is not None:
            try:
                return message_of(registry().upcasters.read(decode_event(reader, stored))), True
            except PersistenceError:
                return None, True
        schema = registry().upcasters.newest((parts.context, parts.aggregate, parts.event)) or 1
        short = ShortSubject(context=parts.context, aggregate=parts.aggregate, event=parts.event, schema=schema)
        return NatsMessage(subject=str(short)), False
    return None, False


def _stream(info: StreamInfo, subject: str) -> Line:
    pattern = _pattern_of(info.subjects, subject)
    return Line(
        kind="stream",
        name=info.name,
        pattern=pattern,
        is_taken=True,
        why="the stream stores what comes here",
        address=reverse("streams:stream", args=[info.name]),
    )


def _routes(store: Store, definition: RouterDefinition, message: NatsMessage | None, streams: Sequence[StreamInfo]) -> list[Line]:
    """Every route of a router, taken or not, where the subject is one of an event that the router could see."""
    if message is None or (streams and not _reads(definition, streams)):
        return []
    router = router_of(definition, store)
    chosen = router.next_routes(message.subject)
    found = router.find_routes(message.subject)
    return [
        Line(
            kind=f"route of {definition.name}",
            name=route.name,
            pattern=route.pattern,
            is_taken=route in chosen,
            why=_why(definition, route, message, is_chosen=route in chosen, is_match=route in found),
        )
        for route in definition.routes
    ]


def _why(definition: RouterDefinition, route: RoutePattern, message: NatsMessage, *, is_chosen: bool, is_match: bool) -> str:
    if not is_match:
        return why_not(route.pattern, message.subject)
    if not is_chosen:
        return _LEFT[definition.strategy]
    said = _translation(definition, route, message)
    return f"{_CHOSEN[definition.strategy]}{f'; {said}' if said else ''}"


def _translation(definition: RouterDefinition, route: RoutePattern, message: NatsMessage) -> str:
    """What a bridge makes of it, with the payload where the event is stored."""
    if definition.bridge is None:
        return ""
    try:
        said = definition.bridge.translate_subject(parse_subject(message.subject), target_of(route))
        translated = definition.bridge.translate(message, target_of(route)) if message.payload else None
    except NoMapping as error:
        return f"the bridge will stand still there: {error}"
    except Exception as error:  # whatever a domain's own code raises
        return f"the bridge will stand still there: {type(error).__name__}: {error}"
    return f"it becomes {said}{f', {decode(translated.payload)!s:.300}' if translated else ''}"


def why_not(pattern: str, subject: str) -> str:
    """At which token a pattern and a subject part."""
    wanted, given = pattern.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == ">" and place < len(given):
            break
        if place >= len(given):
            return f"the pattern has {len(wanted)} tokens, and the subject only {len(given)}"
        if token not in ("*", given[place]):
            return f"token {place + 1} is {given[place]}, and the pattern wants {token}"
    return f"the subject has {len(given)} tokens, and the pattern only {len(wanted)}"


def _projections(store: Store, subject: str, streams: Sequence[StreamInfo]) -> list[Line]:
    names = {info.name for info in streams}
    here = [placed(store.connection, definition) for definition in registry().projections.values()]
    return [
        Line(
            kind="projection",
            name=definition.name,
            pattern=_pattern_of(definition.subjects, subject) or ">",
            is_taken=True,
            why="the projection applies such events",
            address=reverse("projections:projection", args=[definition.name]),
        )
        for definition in here
        if definition.stream in names and (not definition.subjects or _pattern_of(definition.subjects, subject))
    ]


async def _consumers(store: Store, info: StreamInfo, subject: str) -> list[Line]:
    return [
        Line(
            kind=f"consumer of {info.name}",
            name=consumer.name,
            pattern=_pattern_of(consumer.filter_subjects, subject) or ">",
            is_taken=True,
            why="its filter matches" if consumer.filter_subjects else "it has no filter",
            address=reverse("streams:consumers", args=[info.name]),
        )
        for consumer in await list_consumers(store.connection, info.name)
        if not consumer.filter_subjects or _pattern_of(consumer.filter_subjects, subject)
    ]


def _commands(subject: str) -> list[Line]:
    """Who carries it out, where it is the subject of a command."""
    tokens = subject.split(".")
    if tokens[:2] != ["cim", "commands"] or len(tokens) != 6:
        return []
    key = (tokens[2], tokens[3])
    is_known = key in registry().commands
    why = "its domain handles commands for this type" if is_known else "no domain handles commands for this type, so it is refused"
    return [Line(kind="commands", name=".".join(key), pattern=f"cim.commands.{'.'.join(key)}.*.*", is_taken=is_known, why=why)]


def _reads(definition: RouterDefinition, streams: Sequence[StreamInfo]) -> bool:
    declared = next((layout for layout in registry().layouts if layout.stream == definition.stream), None)
    return declared is not None and any(_is_of(declared, info.name) for info in streams)


def _is_of(declared: Layout, stream: str) -> bool:
    found = find_layout([declared], stream)
    return found is not None and found.name == declared.stream


def _pattern_of(patterns: Sequence[str], subject: str) -> str:
    """The first pattern that matches; empty where none does."""
    return next((pattern for pattern in patterns if matches(pattern, subject)), "")
