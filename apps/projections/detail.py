"""This module is everything about one projection: where it is, what its consumer says, its builds, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.errors import NotFound
from apps.persistence.projections import (
    Build,
    Crew,
    Filling,
    ProjectionDefinition,
    ProjectionRecord,
    ProjectionStatus,
    State,
    at_generation,
    bucket_of,
    filling_of,
    find_record,
    placed,
    project_status,
    read_samples,
)
from apps.persistence.store import Connection, ConsumerInfo, Store, find_consumer
from apps.persistence.work.crew import find_crew
from apps.persistence.work.run import Run
from apps.registry import registry

from .board import Row, recent_runs
from .chart import Chart, Span, make_chart

RUNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRow:
    """A build; `filling` says who fills it where it is not complete, and `run` names the run that began it, empty where workers did.

    `elsewhere` names the stream that it was built from where that is a generation that does not serve. Readers `can_switch` to one that is
    complete, fed and made by the code as it is now.
    """

    build: Build
    filling: Filling | None
    elsewhere: str
    serves: bool
    can_switch: bool

    @property
    def run(self) -> str:
        return self.build.owner if self.filling else ""

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody will ever go on with it: a run began it, and has ended or was overtaken by another generation."""
        return bool(self.run) and self.filling in (Filling.STOPPED, Filling.SUPERSEDED)

    @property
    def can_drop(self) -> bool:
        """Whether it is a person's to drop; what workers fill or replace by themselves they also drop."""
        return not self.serves and (self.filling is None or self.is_abandoned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One projection. `record` and `consumer` are None where no worker ever ran it."""

    row: Row
    record: ProjectionRecord | None
    consumer: ConsumerInfo | None
    chart: Chart
    runs: tuple[Run, ...]
    builds: tuple[BuildRow, ...]
    workers_alive: int

    @property
    def status(self) -> ProjectionStatus:
        return self.row.status

    @property
    def definition(self) -> ProjectionDefinition:
        return self.status.definition

    @property
    def bucket(self) -> str:
        """Where readers find the models."""
        return bucket_of(self.status.name, self.record.serving if self.record else 1)

    @property
    def warnings(self) -> list[str]:
        """What the consumer's figures mean, where they mean trouble."""
        return [*_consumer_warnings(self.consumer), *_status_warnings(self.status, self.workers_alive)]


async def read_detail(store: Store, name: str, span: Span) -> Detail:
    """Everything its page shows. Raises NotFound for a projection that no domain declares."""
    connection = store.connection
    definition = find_definition(name)
    crew = await find_crew(store)
    (status,) = await project_status(connection, [definition], crew)
    record = await find_record(connection, name)
    runs = await recent_runs(connection, name, limit=RUNS)
    return Detail(
        row=Row(status=status),
        record=record,
        consumer=await _consumer(connection, status),
        chart=make_chart(span, await read_samples(connection, name, span.tier), runs),
        runs=runs,
        builds=await _builds(connection, definition, record, crew),
        workers_alive=crew.workers_alive or 0,
    )


def find_definition(name: str) -> ProjectionDefinition:
    """The projection of this name. Raises NotFound."""
    known = registry().projections
    if name not in known:
        raise NotFound(f"No domain declares a projection {name[:80]!r}; there are {', '.join(sorted(known))}. Check CIM_DOMAINS.")
    return known[name]


async def _builds(
    connection: Connection, definition: ProjectionDefinition, record: ProjectionRecord | None, crew: Crew
) -> tuple[BuildRow, ...]:
    """The newest first."""
    if record is None:
        return ()
    rows = []
    for build in reversed(record.builds):
        is_open = build.completed is None and build.number != record.serving
        filling = await filling_of(connection, definition, record, build, crew) if is_open else None
        is_elsewhere = build.generation != placed(connection, definition).generation
        stream = at_generation(connection, definition, build.generation).stream
        serves = build.number == record.serving
        is_ready = build.completed is not None and build.failure is None and build.version == definition.version
        elsewhere = stream if is_elsewhere else ""
        can_switch = is_ready and not serves and not elsewhere
        rows.append(BuildRow(build=build, filling=filling, elsewhere=elsewhere, serves=serves, can_switch=can_switch))
    return tuple(rows)


async def _consumer(connection: Connection, status: ProjectionStatus) -> ConsumerInfo | None:
    if status.measured is None:
        return None
    try:
        return await find_consumer(connection, status.definition.stream, bucket_of(status.name, status.measured))
    except NotFound:
        return None


def _consumer_warnings(consumer: ConsumerInfo | None) -> list[str]:
    if consumer is None:
        return []
    found = []
    if consumer.max_ack_pending > 0 and consumer.ack_pending >= consumer.max_ack_pending:
        found.append(
            f"{consumer.ack_pending:,} of at most {consumer.max_ack_pending:,} events are handed out and not acknowledged: the server "
            "hands out no more until some are."
        )
    if consumer.redelivered:
        found.append(f"{consumer.redelivered:,} events were handed out more than once: a worker took too long, was killed, or failed.")
    if consumer.is_paused:
        found.append(f"The consumer itself is paused on the server until {consumer.pause_until}; nothing is handed out before.")
    return found


def _status_warnings(status: ProjectionStatus, workers_alive: int) -> list[str]:
    found = []
    if not workers_alive:
        found.append("No worker is alive, so nothing is applied. Start one with: python3 manage.py worker")
    if status.state is State.NOT_STARTED:
        found.append("It has never run. A worker that knows it begins at the first event by itself.")
    if status.state is State.CATCHING_UP and status.rate_applied is not None and status.caught_up_in_seconds is None:
        found.append("More comes in than is applied: at this rate it never catches up.")
    if status.closed:
        found.append(
            f"Readers use build {status.build}, as it was when {status.closed} was closed; build {status.measured}, of "
            f"{status.definition.stream}, replaces it once it has caught up. Figures, failures and acts here are those of build "
            f"{status.measured}."
        )
    if status.version is not None and status.version != status.definition.version:
        found.append(
            f"Version {status.version} serves, and the code is version {status.definition.version}: a worker builds it anew beside it, "
            "and then switches."
        )
    return found
