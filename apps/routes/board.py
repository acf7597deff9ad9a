"""This module is the declared routers as they stand: how far each is, what its routes took, and at which event it stands still."""

from __future__ import annotations

from dataclasses import dataclass

from blake3 import blake3

from apps.persistence.errors import StreamNotFound
from apps.persistence.routing import RoutePattern, RouterDefinition, RouterRecord, RouteStats, list_routers, target_of
from apps.persistence.store import Connection, Store, find_consumer
from apps.persistence.work.routers import consumer_of
from apps.registry import registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route and what it took. `becomes` says for a route of a bridge which words it puts, one pair for each."""

    pattern: RoutePattern
    stats: RouteStats
    becomes: tuple[tuple[str, str], ...] = ()

    @property
    def each_took(self) -> str:
        """Its time for one event."""
        return f"{self.stats.seconds / max(1, self.stats.hits) * 1000:.1f} ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """A router of a domain. `lag` is None where no worker has begun it."""

    definition: RouterDefinition
    domain: str
    record: RouterRecord
    lag: int | None

    @property
    def id(self) -> str:
        return f"router-{self.definition.name}"

    @property
    def state(self) -> str:
        if self.record.failure:
            return "failed"
        if self.lag is None:
            return "waiting"
        return "behind" if self.lag else "up_to_date"

    @property
    def words(self) -> str:
        """The state as people read it."""
        return {"failed": "Stands still", "waiting": "Not begun", "behind": "Behind", "up_to_date": "Up to date"}[self.state]

    @property
    def stream(self) -> str:
        """The stream that it reads: a generation of the declared one."""
        return self.record.stream or self.definition.stream

    @property
    def consumer(self) -> str:
        return consumer_of(self.definition.name)

    @property
    def routes(self) -> list[Route]:
        """Its routes in the order in which they are tried."""
        found = self.record.routes
        return [
            Route(pattern=route, stats=found.get(route.name, RouteStats()), becomes=_words(self.definition, route))
            for route in self.definition.routes
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Every declared router, and the names of those that left a record and are declared no more."""

    routers: tuple[Router, ...]
    gone: tuple[str, ...]

    @property
    def failed(self) -> list[Router]:
        return [router for router in self.routers if router.record.failure]

    @property
    def revision(self) -> str:
        """Changes with the routers that there are."""
        return blake3(" ".join(router.id for router in self.routers).encode()).hexdigest(8)


async def read_board(store: Store) -> Board:
    """Every declared router as it stands. Raises Unavailable."""
    records = await list_routers(store.connection)
    routers = [
        Router(
            definition=definition,
            domain=domain.title,
            record=records.get(definition.name, RouterRecord(name=definition.name)),
            lag=await _lag(store.connection, definition, records.get(definition.name)),
        )
        for domain in registry().domains
        for definition in domain.routers
    ]
    declared = {router.definition.name for router in routers}
    return Board(routers=tuple(routers), gone=tuple(sorted(records.keys() - declared)))


async def _lag(connection: Connection, definition: RouterDefinition, record: RouterRecord | None) -> int | None:
    try:
        stream = record.stream if record and record.stream else definition.stream
        consumer = await find_consumer(connection, stream, consumer_of(definition.name))
    except StreamNotFound:
        return None
    return consumer.lag if consumer else None


def _words(definition: RouterDefinition, route: RoutePattern) -> tuple[tuple[str, str], ...]:
    if definition.bridge is None:
        return ()
    source, wanted = route.pattern.split(".")[0], route.pattern.split(".")[2]
    mapping = next((one for one in definition.bridge.mappings if (one.source, one.target) == (source, target_of(route))), None)
    if mapping is None:
        return ()
    events = {ours: theirs for ours, theirs in mapping.event_types.items() if wanted in ("*", ours)}
    return (*mapping.aggregates.items(), *events.items())
