"""This module is the subject router: routes from patterns to named handlers, changed while it runs, with figures for each route."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ..errors import InvalidInput, NoRoute, NotFound, PermissionDenied
from ..events import now
from ..subjects import check_pattern, matches
from .message import NatsMessage
from .permissions import Act, Permissions


class RoutingStrategy(StrEnum):
    """Which of the routes that match a message it takes."""

    FIRST_MATCH = "first_match"  # the one that was added first
    ALL_MATCHES = "all_matches"  # all, in the order in which they were added
    PRIORITY_BASED = "priority_based"  # the highest priority; of two alike the one added first
    ROUND_ROBIN = "round_robin"  # one after the other


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePattern:
    """A route: messages whose subject matches `pattern` go to the handler of this name. Raises InvalidInput, InvalidSubject."""

    name: str
    pattern: str
    handler: str
    priority: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_pattern(self.pattern)
        if not self.name:
            raise InvalidInput(f"The route of {self.pattern} has no name; give it one, so that it can be removed and counted.")


class RouteHandler(Protocol):
    """What a route leads to. What it returns is the answer."""

    def __call__(self, message: NatsMessage, route: RoutePattern, /) -> Awaitable[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteResult:
    """What the handler of a route answered."""

    route: str
    answer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStats:
    """What came of a route since it was added: messages it took, how many its handler failed on, and its time in seconds."""

    hits: int = 0
    failures: int = 0
    seconds: float = 0.0
    last_at: datetime | None = None

    @property
    def done(self) -> int:
        """The messages that its handler did not fail on."""
        return self.hits - self.failures


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterStats:
    """The router as it is now. `unrouted` and `denied` count messages that no route took, or that were not permitted."""

    total_routes: int
    total_handlers: int
    strategy: RoutingStrategy
    routes: Mapping[str, RouteStats]
    unrouted: int
    denied: int

    @property
    def route_hits(self) -> dict[str, int]:
        """How many messages each route took."""
        return {name: stats.hits for name, stats in self.routes.items()}


class SubjectRouter:
    """Routes messages by their subject. Without `permissions` every subject may be routed. For one event loop."""

    def __init__(self, strategy: RoutingStrategy, *, permissions: Permissions | None = None) -> None:
        self.strategy = strategy
        self.permissions = permissions
        self._routes: dict[str, RoutePattern] = {}
        self._handlers: dict[str, RouteHandler] = {}
        self._stats: dict[str, RouteStats] = {}
        self._turns: dict[tuple[str, ...], int] = {}
        self._unrouted = 0
        self._denied = 0

    @property
    def routes(self) -> tuple[RoutePattern, ...]:
        """All routes, in the order in which they were added."""
        return tuple(self._routes.values())

    def register_handler(self, name: str, handler: RouteHandler) -> None:
        """Make a handler known; one of that name is replaced, and its routes lead to the new one at once."""
        self._handlers[name] = handler

    def remove_handler(self, name: str) -> None:
        """Forget a handler. Raises NotFound, and InvalidInput while a route leads to it."""
        if name not in self._handlers:
            raise NotFound(f"There is no handler {name!r}; there are {', '.join(sorted(self._handlers)) or 'none'}.")
        leading = [route.name for route in self.routes if route.handler == name]
        if leading:
            raise InvalidInput(f"The handler {name!r} is where {', '.join(leading)} leads; remove such routes first.")
        del self._handlers[name]

    def add_route(self, route: RoutePattern, *, counted: RouteStats | None = None) -> None:
        """Add a route, for messages from now on; `counted` are the figures it goes on from.

        Raises InvalidInput for a name that is taken, NotFound where its handler is missing.
        """
        if route.name in self._routes:
            raise InvalidInput(f"There is a route {route.name!r} already, of {self._routes[route.name].pattern}; remove it first.")
        if route.handler not in self._handlers:
            known = ", ".join(sorted(self._handlers)) or "none"
            raise NotFound(f"The route {route.name!r} leads to the handler {route.handler!r}, which is not registered; there are {known}.")
        self._routes[route.name] = route
        self._stats[route.name] = counted or RouteStats()

    def remove_route(self, name: str) -> None:
        """Remove a route and its figures. Raises NotFound."""
        if name not in self._routes:
            raise NotFound(f"There is no route {name!r}; there are {', '.join(self._routes) or 'none'}.")
        del self._routes[name], self._stats[name]
        self._turns = {names: turn for names, turn in self._turns.items() if name not in names}

    def find_routes(self, subject: str) -> tuple[RoutePattern, ...]:
        """The routes that match a subject, whatever the strategy, in the order in which they were added."""
        return tuple(route for route in self.routes if matches(route.pattern, subject))

    def next_routes(self, subject: str) -> tuple[RoutePattern, ...]:
        """The routes that a message on this subject would take now. Looking does not take a turn."""
        found = self.find_routes(subject)
        if not found or self.strategy is RoutingStrategy.ALL_MATCHES:
            return found
        return (_CHOOSE[self.strategy](found, self._turns.get(_names(found), 0)),)

    async def route(self, message: NatsMessage) -> list[RouteResult]:
        """Hand a message to the routes it takes, one after the other, and return their answers in that order.

        Raises PermissionDenied, NoRoute, and what a handler raises. Several routes are all taken; what fails comes as one ExceptionGroup.
        """
        self._check(message.subject)
        chosen = self.next_routes(message.subject)
        if not chosen:
            self._unrouted += 1
            raise NoRoute(message.subject)
        self._take_turn(message.subject)
        if len(chosen) == 1:
            return [await self._call(chosen[0], message)]
        results: list[RouteResult] = []
        failures: list[Exception] = []
        for route in chosen:
            try:
                results.append(await self._call(route, message))
            except Exception as error:
                failures.append(error)
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {len(chosen)} routes of {message.subject} failed", failures)
        return results

    def stats(self) -> RouterStats:
        """The figures of this moment."""
        return RouterStats(
            total_routes=len(self._routes),
            total_handlers=len(self._handlers),
            strategy=self.strategy,
            routes=dict(self._stats),
            unrouted=self._unrouted,
            denied=self._denied,
        )

    def _check(self, subject: str) -> None:
        decision = self.permissions.decide(Act.SUBSCRIBE, subject) if self.permissions else None
        if decision is not None and not decision.is_allowed:
            self._denied += 1
            reason = f"{decision.pattern} decides" if decision.pattern else "no pattern allows it"
            raise PermissionDenied(f"Messages on {subject} may not be routed: {reason} ({decision.rule}).")

    def _take_turn(self, subject: str) -> None:
        if self.strategy is RoutingStrategy.ROUND_ROBIN:
            names = _names(self.find_routes(subject))
            self._turns[names] = (self._turns.get(names, 0) + 1) % len(names)

    async def _call(self, route: RoutePattern, message: NatsMessage) -> RouteResult:
        started, failures = time.perf_counter(), 1
        try:
            answer = await self._handlers[route.handler](message, route)
            failures = 0
        finally:
            self._count(route.name, time.perf_counter() - started, failures)
        return RouteResult(route=route.name, answer=answer)

    def _count(self, name: str, seconds: float, failures: int) -> None:
        before = self._stats.get(name)
        if before is not None:  # it may have been removed meanwhile
            self._stats[name] = RouteStats(
                hits=before.hits + 1, failures=before.failures + failures, seconds=before.seconds + seconds, last_at=now()
            )


def _names(routes: tuple[RoutePattern, ...]) -> tuple[str, ...]:
    return tuple(route.name for route in routes)


_CHOOSE: Mapping[RoutingStrategy, Callable[[tuple[RoutePattern, ...], int], RoutePattern]] = {
    RoutingStrategy.FIRST_MATCH: lambda routes, _: routes[0],
    RoutingStrategy.PRIORITY_BASED: lambda routes, _: max(routes, key=lambda route: route.priority),
    RoutingStrategy.ROUND_ROBIN: lambda routes, turn: routes[turn],
}
