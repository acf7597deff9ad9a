"""This module is how a domain plugs in: a package that exposes `DOMAIN`, and what all packages declare, looked up by name."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from .encoding import Value
from .errors import InvalidInput
from .events import AggregateDefinition, AggregateRef, KeyStore, SchemaFlag, Sealing, Upcaster, Upcasters
from .evolution import Migration, check_migrations
from .log.trust import NO_TRUST, Trust
from .projections.definition import ProjectionDefinition
from .routing import Permissions, RouterDefinition
from .store import CONSOLE, EVENTS, ConnectionSettings, EventStreamConfig, Layout, Store, find_layout
from .subjects import check_token
from .sync import Link

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What arrived in CIM-COMMANDS: `id` is its UUID, `name` the last token of its subject."""

    id: str
    aggregate: AggregateRef
    name: str
    payload: dict[str, Value]
    actor: str
    correlation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of the read models of one aggregate type; `correlation` is for whom the result is published."""

    id: str
    context: str
    type: str
    name: str
    parameters: dict[str, Value]
    actor: str
    correlation: str


class QueryHandler(Protocol):
    """All queries about one aggregate type."""

    def check(self, query: Query) -> None:
        """Raises InvalidInput with the reason where there will be no result."""

    async def answer(self, store: Store, query: Query) -> Value:
        """The result, from projections. Raises PersistenceError with the reason where there is none."""


CommandHandler = Callable[[Store, Command], Awaitable[None]]
"""Appends the events that the command causes. Raises InvalidInput or InvalidState to refuse it for good, Unavailable to be called again."""


class Process(Protocol):
    """Something that every worker keeps running for a domain, such as a saga; the workers share what there is to do."""

    @property
    def name(self) -> str:
        """What it is called in logs."""

    async def run(self, store: Store, registry: Registry, stop: asyncio.Event) -> None:
        """Until `stop` is set. Settles its own failures: what it raises ends the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Everything one package brings. `commands` and `queries` map `(context, aggregate type)` to the handler of all of them.

    `title` names it to people; `is_demo` marks all that it brings as demo data. `layouts` are further streams of its own. `routers` are
    carried out by the workers, and `streams` made by them where they are missing. `permissions` say by a user's name who may publish and
    subscribe where, for the page of routes.
    """

    name: str
    title: str
    aggregates: Sequence[AggregateDefinition] = ()
    projections: Sequence[ProjectionDefinition] = ()
    upcasters: Sequence[Upcaster] = ()
    flags: Sequence[SchemaFlag] = ()
    commands: dict[tuple[str, str], CommandHandler] = field(default_factory=dict)
    queries: dict[tuple[str, str], QueryHandler] = field(default_factory=dict)
    layouts: Sequence[Layout] = ()
    migrations: Sequence[Migration] = ()
    processes: Sequence[Process] = ()
    routers: Sequence[RouterDefinition] = ()
    streams: Sequence[EventStreamConfig] = ()
    permissions: Mapping[str, Permissions] = field(default_factory=dict)
    is_demo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChanges:
    """What operators may do to streams and buckets: nothing unless `are_allowed`, and nothing to those that `protected` names.

    A name may hold `*` for any part of it.
    """

    are_allowed: bool = False
    protected: tuple[str, ...] = ()


class Registry:
    """What all domains declare, by name; `migrations` by the domain's name.

    `observed` are the configured connections beside home, by name, and `links` lead to those of them to which this node's events travel;
    `keys` open and seal the payloads of encrypted types; `trust` is what this process was told of the log's key and its witness.
    Raises InvalidInput where two declare the same or upcasters are no chain, MigrationConflict where two migrations claim one step.
    """

    def __init__(self, domains: Iterable[Domain] = (), *, keys: KeyStore | None = None) -> None:
        self.domains = tuple(domains)
        self.stream_changes = StreamChanges()
        self.observed: Mapping[str, ConnectionSettings] = {}
        self.links: Mapping[str, Link] = {}
        self.trust: Trust = NO_TRUST
        self.aggregates: dict[tuple[str, str], AggregateDefinition] = {}
        self.projections: dict[str, ProjectionDefinition] = {}
        self.commands: dict[tuple[str, str], CommandHandler] = {}
        self.queries: dict[tuple[str, str], QueryHandler] = {}
        self.routers: dict[str, RouterDefinition] = {}
        self.permissions: dict[str, Permissions] = {}
        self.streams: dict[str, EventStreamConfig] = {}
        for domain in self.domains:
            self._declare(domain)
        _check_ways(self.routers.values())
        self.migrations = {domain.name: check_migrations(domain.name, domain.migrations) for domain in self.domains if domain.migrations}
        encrypted = {key: definition.encryption for key, definition in self.aggregates.items() if definition.encryption is not None}
        steps = [step for domain in self.domains for step in domain.upcasters]
        flags = [flag for domain in self.domains for flag in domain.flags]
        self.upcasters = Upcasters(steps, sealing=Sealing(types=encrypted, keys=keys), flags=flags)
        self.processes = tuple(process for domain in self.domains for process in domain.processes)
        self.layouts = (EVENTS, CONSOLE, *(layout for domain in self.domains for layout in domain.layouts))

    def definition_of(self, aggregate: AggregateRef) -> AggregateDefinition | None:
        """How this aggregate is folded, or None where no domain declares its type."""
        return self.aggregates.get((aggregate.context, aggregate.type))

    def declared_stream(self, name: str) -> EventStreamConfig | None:
        """How a stream is declared: by a domain, or by a layout as appending needs it; None where nothing declares it."""
        if name in self.streams:
            return self.streams[name]
        layout = find_layout((layout for layout in self.layouts if layout.takes_events), name)
        return EventStreamConfig.of(layout) if layout else None

    def _declare(self, domain: Domain) -> None:
        for definition in domain.aggregates:
            _add(self.aggregates, definition.key, definition, domain)
        for projection in domain.projections:
            _add(self.projections, projection.name, projection, domain)
        for key, handler in domain.commands.items():
            _add(self.commands, key, handler, domain)
        for key, answers in domain.queries.items():
            _add(self.queries, key, answers, domain)
        for router in domain.routers:
            _add(self.routers, router.name, router, domain)
        for stream in domain.streams:
            _add(self.streams, stream.name, stream, domain)
        for user, permissions in domain.permissions.items():
            _add(self.permissions, user, permissions, domain)


def load_domains(names: Iterable[str], *, builtin: Sequence[Domain] = (), keys: KeyStore | None = None) -> Registry:
    """Import each package and take its `DOMAIN`. Raises InvalidInput naming the package that cannot be used and why."""
    return Registry([*builtin, *(_load(name) for name in names)], keys=keys)


def _load(name: str) -> Domain:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise InvalidInput(f"The domain package {name} cannot be imported: {error}. Check CIM_DOMAINS and that it is installed.") from error
    domain = getattr(module, "DOMAIN", None)
    if not isinstance(domain, Domain):
        raise InvalidInput(f"The package {name} has no DOMAIN of type Domain; add one to its __init__.py.")
    check_token(domain.name, "a domain's name")
    return domain


def _add(into: dict[_Key, _Item], key: _Key, item: _Item, domain: Domain) -> None:
    if key in into:
        raise InvalidInput(f"{key} is declared twice, the second time by the domain {domain.name}; rename one.")
    into[key] = item


def _check_ways(routers: Iterable[RouterDefinition]) -> None:
    """Two bridges on one way would store what they make of an event in one place."""
    known: dict[tuple[str, str], str] = {}
    for router in routers:
        for one in dict.fromkeys((one.source, one.target) for one in (router.bridge.interests if router.bridge else ())):
            if one in known:
                raise InvalidInput(f"{known[one]} and {router.name} both lead from {one[0]} to {one[1]}; declare that way in one of them.")
            known[one] = router.name
