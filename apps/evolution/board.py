"""This module is the board of evolution: event types with their schemas, migrations, generations, and how new the counts are."""

from __future__ import annotations

from dataclasses import dataclass

from blake3 import blake3

from apps.persistence.errors import NotFound
from apps.persistence.events import FlagState, SchemaFlag
from apps.persistence.projections import ProjectionStatus, State, find_record, project_status
from apps.persistence.projections.builtin import event_types_of, list_event_types
from apps.persistence.registry import Registry
from apps.persistence.store import EVENTS, Connection, Layout, Store, read_flags, serving_number, stream_name
from apps.registry import registry

from .event_types import EventKind, Schema, event_kinds
from .generations import StreamLine, read_lines
from .steps import DomainSteps, read_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """The event types as the projection that counts them has them. `stream` is what was counted, `serving` what serves now."""

    kinds: tuple[EventKind, ...]
    status: ProjectionStatus
    stream: str
    serving: str

    @property
    def events(self) -> int:
        return sum(kind.events for kind in self.kinds)

    @property
    def rows(self) -> list[tuple[EventKind, Schema, str]]:
        """Each schema of each event type, the newest first, and the id of its row."""
        return [(kind, schema, f"{kind.name}.{schema.number}") for kind in self.kinds for schema in reversed(kind.schemas)]

    @property
    def chains(self) -> list[EventKind]:
        """The event types that upcasters read."""
        return [kind for kind in self.kinds if kind.has_chain]

    @property
    def unreadable(self) -> list[EventKind]:
        """The event types of which events are stored that nobody can upcast."""
        return [kind for kind in self.kinds if kind.unreadable]

    @property
    def is_stopped(self) -> bool:
        """Whether the counts do not go on."""
        return self.status.state in (State.FAILED, State.STALLED, State.PAUSED)

    @property
    def is_copied(self) -> bool:
        """Whether a migration made the stream, so that it stored what came before at the time of the copy."""
        return self.stream != EVENTS.stream

    @property
    def is_of_another_generation(self) -> bool:
        return self.stream != self.serving


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagLine:
    """A flag over two schemas and how it stands."""

    flag: SchemaFlag
    newer: int
    state: FlagState


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything the page of evolution shows."""

    census: Census
    domains: tuple[DomainSteps, ...]
    lines: tuple[StreamLine, ...]
    flags: tuple[FlagLine, ...]

    @property
    def entries(self) -> int:
        """How much was done to all domains."""
        return sum(len(domain.entries) for domain in self.domains)

    @property
    def revision(self) -> str:
        """Changes with the rows that there are, and with the schema version of a domain."""
        rows = [row_id for _, _, row_id in self.census.rows]
        steps = [f"{step.name}@{domain.version}" for domain in self.domains for step in domain.steps]
        generations = [one.id for line in self.lines for one in line.generations]
        flags = [f"{one.flag.name}={one.state}" for one in self.flags]
        return blake3(" ".join([self.census.stream, *rows, *steps, *generations, *flags]).encode()).hexdigest(8)


async def read_board(store: Store) -> Board:
    """Everything the page of evolution shows. Raises Unavailable."""
    known = registry()
    return Board(
        census=await read_census(store),
        domains=await read_steps(store, known),
        lines=await read_lines(store, known),
        flags=await _read_flags(store, known),
    )


async def _read_flags(store: Store, known: Registry) -> tuple[FlagLine, ...]:
    """Every declared flag; this process reads by them from now on, too."""
    flags = known.upcasters.flags
    if flags.declared:
        flags.learn(await read_flags(store.connection))
    return tuple(
        FlagLine(flag=flag, newer=flags.newer[flag.event_type], state=flags.state_of(name)) for name, flag in sorted(flags.declared.items())
    )


async def read_census(store: Store) -> Census:
    """Every event type with its schemas. Raises Unavailable."""
    connection = store.connection
    counts = await list_event_types(connection)
    layout = await _counted(connection)
    (status,) = await project_status(connection, [event_types_of()])
    serving = stream_name(EVENTS.stream, serving_number(connection, EVENTS.stream))
    kinds = event_kinds(counts, registry().upcasters, layout)
    return Census(kinds=kinds, status=status, stream=layout.stream, serving=serving)


def find_kind(census: Census, *key: str) -> EventKind:
    """One event type. Raises NotFound."""
    found = next((kind for kind in census.kinds if kind.key == key), None)
    if found is None:
        raise NotFound(f"No event of the type {'.'.join(key)[:200]!r} is stored, and no upcaster reads one; see the list of event types.")
    return found


async def _counted(connection: Connection) -> Layout:
    """The generation whose events were counted for the models that serve."""
    record = await find_record(connection, event_types_of().name)
    return EVENTS.of_generation(record.serving_build.generation if record else 1)
