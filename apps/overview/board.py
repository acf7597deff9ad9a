"""This module is the four questions of the overview: is anything behind or stopped, are the chains intact, what runs, what survives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.persistence.chain import Mark, known_marks
from apps.persistence.drift import DriftReport, read_drift
from apps.persistence.errors import FeatureUnavailable
from apps.persistence.events import now
from apps.persistence.evolution import manifest_type
from apps.persistence.log.coverage import Coverage, read_coverage
from apps.persistence.projections import ProjectionDefinition, ProjectionStatus, State, project_status
from apps.persistence.projections.builtin import list_aggregate_types
from apps.persistence.routing import RouterRecord, list_routers
from apps.persistence.store import EVENTS, Connection, Layout, Store, StreamInfo, at_time, list_streams, serving_number
from apps.persistence.work.crew import find_crew
from apps.persistence.work.heartbeat import WorkerInfo, list_workers
from apps.persistence.work.run import Run
from apps.persistence.work.run_index import list_runs
from apps.persistence.work.schedules import list_schedules
from apps.registry import chained_layouts, registry, trust_of

from .health import Checked, read_health

RATE_SECONDS = 60
LOOKED_AT_RUNS = 50
RECENT_RUNS = 5
TROUBLES_SHOWN = 6
RANK = {"bad": 0, "warn": 1, "off": 2, "ok": 3}
_WORST_FIRST = (State.FAILED, State.STALLED, State.CATCHING_UP, State.PAUSED, State.REBUILDING, State.NOT_STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """A stream with chains: how long it is, what was verified of it, whether it is a closed generation, and what its log alarms about.

    `is_contradicted` says that this is not only late: the stream is not what was signed.
    """

    layout: Layout
    info: StreamInfo
    mark: Mark | None
    is_closed: bool = False
    alarm: str = ""
    doubt: str = ""
    is_contradicted: bool = False

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def is_broken(self) -> bool:
        return self.mark is not None and (not self.mark.intact or self.mark.sequence > self.info.last_sequence)

    @property
    def was_made_anew(self) -> bool:
        """Whether what was verified was another stream of this name."""
        return self.mark is not None and not self.mark.is_of(self.info.created)

    @property
    def not_verified(self) -> int:
        """Events after the mark."""
        return max(0, self.info.last_sequence - (self.mark.sequence if self.mark else 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One of the four: its card, how grave the answer is (bad, warn, off, ok), and the answer in a few words."""

    name: str
    title: str
    state: str
    answer: str

    @property
    def id(self) -> str:
        return f"overview-{self.name}"

    @property
    def template(self) -> str:
        return f"overview/_{self.name}.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything the overview shows, at `looked_at`. `rate_in` is of all event streams over the last minute."""

    projections: tuple[ProjectionStatus, ...]
    chains: tuple[ChainState, ...]
    runs: tuple[Run, ...]
    workers: tuple[WorkerInfo, ...]
    health: Checked
    streams: tuple[StreamInfo, ...]
    aggregates: int
    aggregate_types: int
    rate_in: float | None
    looked_at: datetime
    drift: DriftReport
    failing_schedules: int
    held: tuple[RouterRecord, ...] = ()

    @property
    def troubled(self) -> list[ProjectionStatus]:
        """The projections that are not live, worst first."""
        return sorted(
            (status for status in self.projections if status.state is not State.LIVE),
            key=lambda status: (_WORST_FIRST.index(status.state), -(status.lag or 0), status.name),
        )

    @property
    def active(self) -> list[Run]:
        """The runs that are not ended."""
        return [run for run in self.runs if not run.state.is_ended]

    @property
    def recent(self) -> list[Run]:
        """The newest runs that are ended."""
        return [run for run in self.runs if run.state.is_ended][:RECENT_RUNS]

    @property
    def events(self) -> int:
        """In every stream with chains that takes events; what a migration copied is not counted twice."""
        return sum(chain.info.messages for chain in self.serving)

    @property
    def serving(self) -> list[ChainState]:
        """The streams with chains that take events."""
        return [chain for chain in self.chains if not chain.is_closed]

    @property
    def closed(self) -> list[ChainState]:
        """The generations of streams that serve no more."""
        return [chain for chain in self.chains if chain.is_closed]

    @property
    def bytes(self) -> int:
        return sum(stream.bytes for stream in self.streams)

    @property
    def questions(self) -> list[Question]:
        """The gravest answer first."""
        asked = [_is_anything_behind(self), _are_chains_intact(self), _what_runs(self), _what_survives(self)]
        return sorted(asked, key=lambda question: RANK[question.state])

    @property
    def revision(self) -> str:
        """Changes with the order of the cards."""
        return ",".join(question.name for question in self.questions)


async def read_overview(store: Store) -> Overview:
    """Everything the overview shows, asked for at once. Raises Unavailable."""
    connection, known, moment = store.connection, registry(), now()
    try:
        async with asyncio.TaskGroup() as group:
            chains = group.create_task(_read_chains(store, moment))
            types = group.create_task(list_aggregate_types(connection))
            projections = group.create_task(_read_projections(store, list(known.projections.values())))
            runs = group.create_task(list_runs(connection, limit=LOOKED_AT_RUNS))
            workers = group.create_task(list_workers(connection))
            health = group.create_task(read_health(connection))
            routers = group.create_task(list_routers(connection))
            drift = group.create_task(read_drift(store))
            schedules = group.create_task(list_schedules(connection))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures  # callers act on one error, and the first ended the others
    found = chains.result()
    counted = [entry for entry in types.result() if (entry.context, entry.type) != manifest_type(EVENTS)]
    return Overview(
        projections=tuple(projections.result()),
        chains=found.chains,
        runs=runs.result().runs,
        workers=tuple(workers.result()),
        health=health.result(),
        streams=found.streams,
        aggregates=sum(entry.aggregates for entry in counted),
        aggregate_types=len(counted),
        rate_in=found.rate_in,
        looked_at=moment,
        drift=drift.result(),
        failing_schedules=sum(schedule.is_failing for schedule in schedules.result()),
        held=tuple(record for name, record in routers.result().items() if record.failure and name in known.routers),
    )


async def _read_projections(store: Store, definitions: Sequence[ProjectionDefinition]) -> list[ProjectionStatus]:
    return await project_status(store.connection, definitions, await find_crew(store))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chains:
    """Every stream, and of those with chains what was verified, the broken ones first, then those that never were; and what comes in."""

    streams: tuple[StreamInfo, ...]
    chains: tuple[ChainState, ...]
    rate_in: float | None


async def _read_chains(store: Store, moment: datetime) -> _Chains:
    streams = {stream.name: stream for stream in await list_streams(store.connection)}
    marks = await known_marks(store)
    chained = [layout for layout in chained_layouts(store) if layout.stream in streams]
    coverages = await _read_coverages(store.connection, [layout.stream for layout in chained])
    chains = [
        ChainState(
            layout=layout,
            info=streams[layout.stream],
            mark=marks[layout.stream].mark if layout.stream in marks else None,
            doubt=marks[layout.stream].doubt if layout.stream in marks else "",
            is_closed=layout.generation != serving_number(store.connection, layout.name),
            alarm=coverages[layout.stream].alarm,
            is_contradicted=bool(coverages[layout.stream].contradiction),
        )
        for layout in chained
    ]
    ordered = tuple(sorted(chains, key=lambda chain: (not chain.is_broken and not chain.alarm, chain.mark is not None)))
    rate_in = await _rate_into(store.connection, [chain.info for chain in chains], moment)
    return _Chains(streams=tuple(streams.values()), chains=ordered, rate_in=rate_in)


async def _read_coverages(connection: Connection, streams: Sequence[str]) -> dict[str, Coverage]:
    """How far the log of each stream is signed, and what it alarms about."""
    try:
        async with asyncio.TaskGroup() as group:
            asked = {stream: group.create_task(read_coverage(connection, stream, trust_of(connection))) for stream in streams}
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return {stream: task.result() for stream, task in asked.items()}


async def _rate_into(connection: Connection, streams: Sequence[StreamInfo], moment: datetime) -> float | None:
    """Events a second stored in these streams during the last minute."""
    stored = 0
    for stream in streams:
        try:
            first = await at_time(connection, stream.name, moment - timedelta(seconds=RATE_SECONDS))
        except FeatureUnavailable:
            return None
        stored += stream.last_sequence - first.sequence + 1 if first else 0
    return max(0, stored) / RATE_SECONDS if streams else None


def _is_anything_behind(overview: Overview) -> Question:
    states = [status.state for status in overview.troubled]
    stopped = sum(state in (State.FAILED, State.STALLED) for state in states)
    bad, rest = stopped + len(overview.held), len(states) - stopped
    if bad:
        answer, state = f"{bad} stopped" + (f", {rest} not live" if rest else ""), "bad"
    elif rest:
        answer, state = f"{rest} not live", "warn"
    else:
        answer, state = f"All {len(overview.projections)} live" if overview.projections else "No projection declared", "ok"
    return Question(name="behind", title="Is anything behind, stalled or failed?", state=state, answer=answer)


def _are_chains_intact(overview: Overview) -> Question:
    broken = sum(chain.is_broken for chain in overview.chains)
    never = sum(chain.mark is None for chain in overview.chains)
    alarms = sum(bool(chain.alarm) for chain in overview.chains)
    doubted, drifted = sum(bool(chain.doubt) for chain in overview.chains), len(overview.drift.alarms)
    if broken:
        answer, state = f"{broken} stream{'' if broken == 1 else 's'} with findings", "bad"
    elif alarms:
        answer, state = f"{alarms} stream{'' if alarms == 1 else 's'} not signed as {'it' if alarms == 1 else 'they'} should be", "bad"
    elif drifted:
        answer, state = f"{drifted} setting{'' if drifted == 1 else 's'} changed by nobody known", "bad"
    elif doubted:
        answer, state = f"{doubted} mark{'' if doubted == 1 else 's'} that no verification left", "warn"
    elif overview.failing_schedules:
        failing = overview.failing_schedules
        answer, state = f"{failing} schedule{'' if failing == 1 else 's'} cannot run", "warn"
    elif never or not overview.chains:
        answer, state = "Not verified yet" if never == len(overview.chains) else f"{never} not verified yet", "off"
    else:
        answer, state = "Intact as far as verified", "ok"
    return Question(name="chains", title="Is every chain intact?", state=state, answer=answer)


def _what_runs(overview: Overview) -> Question:
    runs, workers = len(overview.active), len(overview.workers)
    if not workers:
        answer, state = "No worker is alive", "bad"
    else:
        answer, state = f"{runs or 'no'} run{'' if runs == 1 else 's'}, {workers} worker{'' if workers == 1 else 's'}", "ok"
    return Question(name="running", title="What is running?", state=state, answer=answer)


def _what_survives(overview: Overview) -> Question:
    health = overview.health.health
    state = {True: "ok", False: "bad", None: "off"}[health.is_durable]
    answer = {True: "Durable", False: "Not durable", None: "Not known"}[health.is_durable]
    if state == "ok" and health.missing:
        state, answer = "warn", "Durable, some features missing"
    return Question(name="durable", title="Does what is acknowledged survive?", state=state, answer=answer)
