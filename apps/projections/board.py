"""This module is the board of projections: every one with its state and the acts it allows, worst first, and what has to be mended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.persistence.errors import FeatureUnavailable, StreamNotFound
from apps.persistence.events import now
from apps.persistence.projections import ProjectionStatus, State, project_status
from apps.persistence.store import Connection, Store, at_time, get_stream
from apps.persistence.work.crew import find_crew
from apps.persistence.work.run import Run
from apps.persistence.work.run_index import list_runs
from apps.registry import registry

from .chart import thin

SPARK_POINTS = 60
RECENT_RUNS = 6
LOOKED_AT_RUNS = 60
RATE_SECONDS = 60
_WORST_FIRST = (State.FAILED, State.STALLED, State.CATCHING_UP, State.PAUSED, State.REBUILDING, State.NOT_STARTED, State.LIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A projection as the board shows it."""

    status: ProjectionStatus

    @property
    def id(self) -> str:
        return f"projection-{self.status.name}"

    @property
    def rank(self) -> str:
        """Sorts the worst first: by state, then by lag, then by name."""
        return f"{_WORST_FIRST.index(self.status.state)}-{10**12 - (self.status.lag or 0):013d}-{self.status.name}"

    @property
    def state(self) -> str:
        """The state as components know it."""
        return self.status.state.name.lower()

    @property
    def spark(self) -> list[float]:
        """The lag of the last hour, thinned out; peaks stay."""
        return thin(self.status.lags, SPARK_POINTS)

    @property
    def is_stopped(self) -> bool:
        return self.status.state is State.FAILED

    @property
    def is_paused(self) -> bool:
        return self.status.state is State.PAUSED

    @property
    def has_run(self) -> bool:
        return self.status.state is not State.NOT_STARTED

    @property
    def can_replay(self) -> bool:
        """Those that write into a stream of their own cannot be built beside themselves."""
        return self.status.definition.target is None

    @property
    def waiting(self) -> int:
        """Events behind the one that stopped it."""
        return max(0, (self.status.lag or 0) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All projections and what is going on around them, at `looked_at`. `rate_in` is over the last minute, of all their streams."""

    rows: tuple[Row, ...]
    streams: int
    rate_in: float | None
    runs: tuple[Run, ...]
    workers_alive: int
    looked_at: datetime

    @property
    def revision(self) -> str:
        """Changes with the set of projections."""
        return ",".join(sorted(row.status.name for row in self.rows))

    @property
    def stopped(self) -> list[Row]:
        return [row for row in self.rows if row.is_stopped]

    @property
    def stalled(self) -> list[Row]:
        return [row for row in self.rows if row.status.state is State.STALLED]

    @property
    def parked(self) -> int:
        """Events that projections set aside, to be decided on."""
        return sum(row.status.parked for row in self.rows)

    @property
    def rebuilding(self) -> list[Row]:
        """Those with a build that is not complete, whether somebody fills it or not."""
        return [row for row in self.rows if row.status.rebuild]

    @property
    def rate_applied(self) -> float | None:
        known = [row.status.rate_applied for row in self.rows if row.status.rate_applied is not None]
        return sum(known) if known else None

    @property
    def worst(self) -> Row | None:
        """The one with the most events to apply."""
        return max((row for row in self.rows if row.status.lag), key=lambda row: row.status.lag or 0, default=None)

    @property
    def furthest_behind(self) -> Row | None:
        """The one whose next event waits longest."""
        return max((row for row in self.rows if row.status.seconds_behind), key=lambda row: row.status.seconds_behind or 0, default=None)


async def read_board(store: Store) -> Board:
    """Everything the board shows. Raises Unavailable."""
    definitions = list(registry().projections.values())
    crew = await find_crew(store)
    statuses = await project_status(store.connection, definitions, crew)
    streams = sorted({definition.stream for definition in definitions})
    moment = now()
    return Board(
        rows=tuple(sorted((Row(status=status) for status in statuses), key=lambda row: row.rank)),
        streams=len(streams),
        rate_in=await rate_into(store.connection, streams, moment),
        runs=await recent_runs(store.connection),
        workers_alive=crew.workers_alive or 0,
        looked_at=moment,
    )


async def recent_runs(connection: Connection, name: str = "", *, limit: int = RECENT_RUNS) -> tuple[Run, ...]:
    """The newest runs on projections, or on the one of this name."""
    wanted = {f"projection/{name}", f"control/{name}"}
    page = await list_runs(connection, limit=LOOKED_AT_RUNS)
    found = [run for run in page.runs if (run.target in wanted if name else run.target.startswith(("projection/", "control/")))]
    return tuple(found[:limit])


async def rate_into(connection: Connection, streams: Iterable[str], moment: datetime) -> float | None:
    """Events a second stored in these streams during the last minute; None where none of them is there."""
    counts = [await _stored_since(connection, stream, moment - timedelta(seconds=RATE_SECONDS)) for stream in streams]
    known = [count for count in counts if count is not None]
    return sum(known) / RATE_SECONDS if known else None


async def _stored_since(connection: Connection, stream: str, moment: datetime) -> int | None:
    try:
        first = await at_time(connection, stream, moment)
        last = (await get_stream(connection, stream)).last_sequence
    except (StreamNotFound, FeatureUnavailable):
        return None
    return last - first.sequence + 1 if first else 0
