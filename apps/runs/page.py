"""This module is what the page of one run shows: the run as its events tell it, its newest report, and who works on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, NotFound
from apps.persistence.events import StoredEvent, now
from apps.persistence.operations import OPERATIONS
from apps.persistence.store import CONSOLE, Store, load
from apps.persistence.transfer.evidence_texts import VERIFIERS
from apps.persistence.work.failures import RunFailures, read_failures
from apps.persistence.work.findings import findings_in
from apps.persistence.work.heartbeat import WorkerInfo, list_workers
from apps.persistence.work.operation import leaves_behind, restore_operation
from apps.persistence.work.parameters import parameters_of
from apps.persistence.work.progress import RunProgress, find_progress
from apps.persistence.work.refusals import find_refusal
from apps.persistence.work.run import RUN_DEFINITION, Run, RunState, run_from, run_ref

from .addresses import review_url
from .ahead import find_run_ahead
from .asking import is_queued, listen, refusal_of, trouble_of, waiting_requests
from .catalogue import can_retry_operation, title_of, unit_of_operation
from .samples import ShownSample, shown

SAME_WITHIN = 0.1
_SHOWN_ELSEWHERE = frozenset({"seconds", "stream", "intact", "finding_count"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """One event of a run, with what the run's definition says of it, and whether it links to the one before."""

    stored: StoredEvent
    summary: str
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft:
    """Between these two, in seconds: at the rate of the last seconds, and at that of all its attempts."""

    least: float
    most: float

    @property
    def is_one(self) -> bool:
        """Whether both say the same."""
        return self.most - self.least <= SAME_WITHIN * self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """`run` is None while no worker has taken up the request; `refusal` then says why none ever will, `is_queued` that one may.

    `waiting` is how many requests wait, this one among them; `waits_for` is the run ahead, which works on the same target.
    `trouble` is what keeps it from going on at this moment.
    """

    id: str
    run: Run | None
    progress: RunProgress | None
    events: tuple[RunEvent, ...]
    workers: tuple[WorkerInfo, ...]
    refusal: str
    is_queued: bool
    looked_at: datetime
    failures: RunFailures
    waiting: int = 0
    waits_for: Run | None = None
    trouble: str = ""

    @property
    def is_known(self) -> bool:
        """Whether anybody asked for it, as far as this process can know."""
        return bool(self.run or self.refusal or self.is_queued)

    @property
    def title(self) -> str:
        return title_of(self.run.operation) if self.run else "Run"

    @property
    def unit(self) -> str:
        """What its progress and its limit count."""
        return unit_of_operation(self.run.operation if self.run else "")

    @property
    def worker(self) -> WorkerInfo | None:
        """The worker that has the run, if it lives."""
        name = self.run.worker if self.run else ""
        return next((worker for worker in self.workers if name and name == name_of(worker)), None)

    @property
    def is_alive(self) -> bool:
        """Whether any worker lives."""
        return bool(self.workers)

    @property
    def can_pause(self) -> bool:
        return self.run is not None and self.run.state in (RunState.CONFIRMED, RunState.RUNNING)

    @property
    def can_resume(self) -> bool:
        return self.run is not None and self.run.state is RunState.PAUSED

    @property
    def can_cancel(self) -> bool:
        return self.can_pause or self.can_resume

    @property
    def bar_state(self) -> str:
        """The colour of the bar."""
        return self.run.state.value if self.run else "off"

    @property
    def percent(self) -> float:
        return 100 * self.progress.fraction if self.progress else 0.0

    @property
    def seconds(self) -> float | None:
        """From the first start to the end, or to now."""
        if self.run is None or self.run.started_at is None:
            return None
        return ((self.run.ended_at or self.looked_at) - self.run.started_at).total_seconds()

    @property
    def left(self) -> TimeLeft | None:
        """How long it may still take, or None while nothing says so."""
        run, progress = self.run, self.progress
        if run is None or progress is None or run.state is not RunState.RUNNING or progress.seconds_left is None:
            return None
        recent = progress.seconds_left
        mean = (progress.total - progress.done) * progress.seconds / progress.done if progress.done else recent
        both = (max(1.0, recent), max(1.0, mean))
        return TimeLeft(least=min(both), most=max(both))

    @property
    def parameters(self) -> tuple[tuple[str, Value], ...]:
        """As the operation's form has them in order; stored, they lie in the order of their encoding."""
        given = self.run.parameters if self.run else {}
        operation = OPERATIONS.get(self.run.operation) if self.run else None
        order = [parameter.name for parameter in parameters_of(operation)] if operation else []
        return tuple(sorted(given.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))

    @property
    def figures(self) -> tuple[tuple[str, Value], ...]:
        """The figures of the outcome that are one value each; lists are for the pages that know what they hold."""
        given = self.run.figures if self.run else {}
        return tuple((name, value) for name, value in given.items() if name not in _SHOWN_ELSEWHERE and not isinstance(value, list | dict))

    @property
    def findings(self) -> list[Mapping[str, Value]]:
        """What the run found wrong, as far as the receipt keeps it."""
        return findings_in(self.run) if self.run else []

    @property
    def finding_count(self) -> int:
        """All that it found wrong."""
        counted = self.run.figures.get("finding_count", 0) if self.run else 0
        return counted if isinstance(counted, int) else 0

    @property
    def samples(self) -> list[ShownSample]:
        return shown(self.run.samples) if self.run else []

    @property
    def leaves(self) -> dict[str, str]:
        """What a pause and a cancel leave behind, in the operation's words."""
        run = self.run
        if run is None or run.state.is_ended:
            return {}
        if run.is_dry_run:
            return {"pause": "A dry run only reads.", "cancel": "A dry run only reads."}
        try:
            operation = restore_operation(OPERATIONS, run.operation, run.parameters)
        except InvalidInput:
            return {}
        return {"pause": leaves_behind(operation, "pause"), "cancel": leaves_behind(operation, "cancel")}

    @property
    def can_retry(self) -> bool:
        """Whether what failed can be done again by itself."""
        run = self.run
        return run is not None and run.state.is_ended and bool(self.failures.items) and can_retry_operation(run.operation)

    @property
    def plan_url(self) -> str:
        """Where the same operation with the same parameters is planned anew."""
        return review_url(self.run.operation, self.run.parameters) if self.run else ""

    @property
    def verified_stream(self) -> str:
        """The stream that a finished verification was about, empty for every other run."""
        run = self.run
        is_verified = run is not None and run.operation == "verify" and run.state is RunState.FINISHED
        return run.target.removeprefix("stream/") if run and is_verified and run.target.startswith("stream/") else ""

    @property
    def verifiers(self) -> tuple[str, ...]:
        """The names of the verifiers of what the run wrote; none for a run that wrote no evidence."""
        is_evidence = self.run is not None and self.run.operation == "evidence" and "file" in self.run.figures
        return tuple(path.name for path in VERIFIERS) if is_evidence else ()

    @property
    def is_red(self) -> bool:
        """Whether the run found something wrong, or says that what was found before still stands."""
        return bool(self.finding_count or (self.run and self.run.figures.get("earlier_findings")))


async def read_run_page(store: Store, run_id: str) -> RunPage:
    """Everything the page of a run shows. Raises InvalidSubject for a text that is no id."""
    connection = store.connection
    await listen(connection)
    events = await _load(store, run_id)
    is_waiting = not events and await is_queued(connection, run_id)
    if not events and not is_waiting:  # a worker may have taken it up between these two looks
        events = await _load(store, run_id)
    run = run_from(events)
    return RunPage(
        id=run_id,
        run=run,
        progress=await _progress(store, run_id) if events else None,
        events=_events(events),
        workers=tuple(await list_workers(connection)),
        refusal="" if events else await _refusal(store, run_id, is_waiting=is_waiting),
        is_queued=is_waiting,
        looked_at=now(),
        failures=await read_failures(connection, run_id) if events else RunFailures(),
        waiting=len(await waiting_requests(connection)) if is_waiting else 0,
        waits_for=await find_run_ahead(connection, run) if run else None,
        trouble=trouble_of(run_id),
    )


async def _refusal(store: Store, run_id: str, *, is_waiting: bool) -> str:
    """What this process has heard, or what was written down; empty where nobody refused it."""
    return refusal_of(run_id) or ("" if is_waiting else await find_refusal(store, run_id)) or ""


async def _load(store: Store, run_id: str) -> tuple[StoredEvent, ...]:
    return (await load(store.on(CONSOLE), run_ref(run_id))).events


def name_of(worker: WorkerInfo) -> str:
    """What a worker calls itself in the events of a run: its host and process."""
    return f"{worker.host}-{worker.pid}"


async def _progress(store: Store, run_id: str) -> RunProgress | None:
    try:
        return await find_progress(store.connection, run_id)
    except NotFound:
        return None


def _events(stored: tuple[StoredEvent, ...]) -> tuple[RunEvent, ...]:
    first = [_event(entry, is_linked=entry.event.previous is None) for entry in stored[:1]]
    return (*first, *(_event(entry, is_linked=entry.event.previous == before.cid) for before, entry in pairwise(stored)))


def _event(stored: StoredEvent, *, is_linked: bool) -> RunEvent:
    summarise = RUN_DEFINITION.summarise
    return RunEvent(stored=stored, summary=summarise(stored.event) if summarise else "", chain="linked" if is_linked else "link_broken")
