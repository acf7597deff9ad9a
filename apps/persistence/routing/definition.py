"""This module is a router as a domain declares it: where which events go, carried out by the workers, each event once and in order.

A declared router sees events under the short convention `<context>.<aggregate>.<event>.v<schema>`; the message holds the event's payload in
its newest schema, and its headers say which event that is. A bridge between contexts is such a router, with a route for each interest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ..encoding import encode
from ..errors import InvalidInput, NotFound
from ..events import StoredEvent, format_time
from ..store import EVENTS, Store
from ..subjects import ShortSubject, check_token, overlaps
from .bridge import ContextBridge, Interest
from .message import ACTOR, AGGREGATE, CID, CORRELATION, EVENT_ID, TIME, VERSION, NatsMessage
from .permissions import Permissions
from .router import RoutePattern, RouteStats, RoutingStrategy, SubjectRouter
from .translated import store_translated

ALL_SUBJECTS = "*.*.*.*"
"""What an event's subject looks like to a route."""

EventHandler = Callable[[Store, NatsMessage, RoutePattern], Awaitable[bytes]]
"""What a declared route leads to. After a worker was killed it may be called again with the same event, so it must tell by the headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterDefinition:
    """A router that a domain declares. An event that no route takes is passed over; one whose route fails is tried until it does not.

    `stream` is the declared stream whose events it routes. `bridge` is what the routes of a bridge translate by.
    Raises InvalidInput, NotFound where a route leads to no handler.
    """

    name: str
    title: str
    routes: Sequence[RoutePattern]
    handlers: Mapping[str, EventHandler]
    strategy: RoutingStrategy = RoutingStrategy.ALL_MATCHES
    permissions: Permissions | None = None
    bridge: ContextBridge | None = None
    stream: str = EVENTS.stream
    description: str = ""
    demo: bool = False

    def __post_init__(self) -> None:
        check_token(self.name, "a router's name")
        names = [route.name for route in self.routes]
        if len(set(names)) < len(names):
            raise InvalidInput(f"The router {self.name} has two routes of one name; give each its own.")
        for route in self.routes:
            if route.handler not in self.handlers:
                raise NotFound(f"The route {route.name!r} of {self.name} leads to the handler {route.handler!r}, which it does not have.")
            if not overlaps(route.pattern, ALL_SUBJECTS):
                raise InvalidInput(
                    f"The route {route.name!r} of {self.name} has the pattern {route.pattern}, under which no event comes; "
                    "events come under context.aggregate.event.version."
                )

    @property
    def contexts(self) -> tuple[str, ...]:
        """The contexts whose events any route may take; `*` alone where a route takes those of every context."""
        found = tuple(dict.fromkeys(route.pattern.split(".")[0] for route in self.routes))
        return ("*",) if {"*", ">"} & set(found) else found


def bridging(*, name: str, title: str, bridge: ContextBridge, description: str = "", demo: bool = False) -> RouterDefinition:
    """The declared router of a bridge: a route for each interest, which stores what the bridge makes of an event in CIM-CONTEXTS.

    Raises InvalidInput where a mapping uses one word for two aggregate types: two events could then not be told apart.
    """
    for mapping in bridge.mappings:
        if len(set(mapping.aggregates.values())) < len(mapping.aggregates):
            raise InvalidInput(
                f"The mapping from {mapping.source} to {mapping.target} uses one word for two aggregate types; use two words."
            )
    interests = _without_repeats(bridge.interests)
    return RouterDefinition(
        name=name,
        title=title,
        description=description,
        routes=[_route(one) for one in interests],
        handlers={f"to {target}": _translating(bridge, target) for target in dict.fromkeys(one.target for one in interests)},
        bridge=bridge,
        demo=demo,
    )


def target_of(route: RoutePattern) -> str:
    """The context that a route of a bridge leads to."""
    return route.handler.removeprefix("to ")


def router_of(definition: RouterDefinition, store: Store, counted: Mapping[str, RouteStats] | None = None) -> SubjectRouter:
    """The router at work on a store; `counted` are the figures that its routes go on from."""
    router = SubjectRouter(definition.strategy, permissions=definition.permissions)
    for name, handler in definition.handlers.items():
        router.register_handler(name, partial(handler, store))
    for route in definition.routes:
        router.add_route(route, counted=(counted or {}).get(route.name))
    return router


def message_of(stored: StoredEvent) -> NatsMessage:
    """An event as routes see it."""
    event = stored.event
    ref = event.aggregate
    return NatsMessage(
        subject=str(ShortSubject(context=ref.context, aggregate=ref.type, event=event.type, schema=event.schema)),
        payload=encode(event.payload),
        headers={
            AGGREGATE: str(ref),
            VERSION: str(event.version),
            EVENT_ID: event.id,
            CID: str(stored.cid),
            CORRELATION: event.correlation,
            ACTOR: event.actor if event.actor.isascii() and event.actor.isprintable() else ascii(event.actor),
            TIME: format_time(event.time),
        },
    )


def _without_repeats(interests: Sequence[Interest]) -> list[Interest]:
    """An interest in every type covers those in one, so that an event is not translated twice for one context."""
    whole = {(one.source, one.target) for one in interests if one.event_type == "*"}
    return [one for one in dict.fromkeys(interests) if one.event_type == "*" or (one.source, one.target) not in whole]


def _route(interest: Interest) -> RoutePattern:
    what = "every event" if interest.event_type == "*" else interest.event_type
    return RoutePattern(
        name=f"{interest.source} to {interest.target}: {what}",
        pattern=f"{interest.source}.*.{interest.event_type}.*",
        handler=f"to {interest.target}",
    )


def _translating(bridge: ContextBridge, target: str) -> EventHandler:
    async def translate(store: Store, message: NatsMessage, route: RoutePattern) -> bytes:
        translated = bridge.translate(message, target)
        if translated is None:
            return b""
        return (await store_translated(store.connection, message, translated)).encode()

    return translate
