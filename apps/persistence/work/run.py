"""This module is the run: one time somebody started an operation, as an aggregate of its own in CIM-CONSOLE.

    requested ─ confirmed ─ started ─┬─ finished
                    │         │  ↑   ├─ failed
                    │       paused   └─ cancelled          limited: another rate, at any time before the end
                    │         │
                    └──────── resumed (work again)

`confirmed` and `resumed` are themselves the work items. Whoever changes a run appends after the head that it has seen, so a worker that
lost its run cannot speak for it any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from ..encoding import Value
from ..events import AggregateDefinition, AggregateRef, Event, Head, State, StoredEvent, fold, format_time, parse_time
from ..store import CONSOLE, Store, load
from .operation import Sample

RUN_TYPE = "run"
RUNS_BUCKET = "cim-runs"
ENDED = frozenset({"finished", "failed", "cancelled"})


class RunState(StrEnum):
    """Where a run stands."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_ended(self) -> bool:
        """Whether nothing more can happen to it."""
        return self in (RunState.FINISHED, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as its events tell it. `saw` is what its plan was based on; `attempts` counts how often a worker took it up.

    `idle_attempts` counts those in a row that came no further than the one before. `limit` is the most events a second, 0 for no limit.
    `why_paused` is what a worker gave as the reason why it rests, empty where a person had it paused.
    `via` says by which door it was asked for where that was not a page; `retry_of` is the run whose failed items it does again.
    """

    id: str
    head: Head
    state: RunState
    operation: str
    parameters: dict[str, Value]
    target: str
    summary: str
    reason: str
    requested_by: str
    requested_at: datetime
    digest: str
    saw: dict[str, Value]
    attempts: int
    worker: str
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    figures: dict[str, Value]
    ended_by: str
    is_dry_run: bool = False
    limit: int = 0
    idle_attempts: int = 0
    via: str = ""
    retry_of: str = ""
    samples: tuple[Sample, ...] = ()
    why_paused: str = ""


def run_ref(run_id: str) -> AggregateRef:
    """The aggregate of a run."""
    return AggregateRef("console", RUN_TYPE, run_id)


async def load_run(store: Store, run_id: str) -> Run | None:
    """The run as it is now, or None. Raises Unavailable."""
    found = await load(store.on(CONSOLE), run_ref(run_id))
    return run_from(found.events)


def run_from(events: Iterable[StoredEvent]) -> Run | None:
    """The run that these events of one run tell, in order, or None where there are none."""
    stored = list(events)
    if not stored:
        return None
    state = fold(RUN_DEFINITION, (entry.event for entry in stored))
    return read_run(state, stored[-1].head)


def read_run(state: State, head: Head) -> Run:
    """The run in a folded state."""
    return Run(
        id=head.aggregate.id,
        head=head,
        state=RunState(cast(str, state["state"])),
        operation=cast(str, state["operation"]),
        parameters=cast("dict[str, Value]", state["parameters"]),
        target=cast(str, state["target"]),
        summary=cast(str, state["summary"]),
        reason=cast(str, state["reason"]),
        requested_by=cast(str, state["requested_by"]),
        requested_at=parse_time(cast(str, state["requested_at"])),
        digest=cast(str, state["digest"]),
        saw=cast("dict[str, Value]", state["saw"]),
        attempts=cast(int, state["attempts"]),
        worker=cast(str, state["worker"]),
        started_at=_time(state["started_at"]),
        ended_at=_time(state["ended_at"]),
        outcome=cast(str, state["outcome"]),
        figures=cast("dict[str, Value]", state["figures"]),
        ended_by=cast(str, state["ended_by"]),
        is_dry_run=bool(state.get("dry_run")),
        limit=cast(int, state.get("limit", 0)),
        idle_attempts=cast(int, state.get("idle", 0)),
        via=cast(str, state.get("via", "")),
        retry_of=cast(str, state.get("retry_of", "")),
        why_paused=cast(str, state.get("why_paused", "")),
        samples=tuple(Sample(**fields) for fields in cast("list[dict[str, Any]]", state.get("samples", []))),
    )


def _apply(state: State, event: Event) -> State:
    match event.type:
        case "requested":
            requested = {"requested_by": event.actor, "requested_at": format_time(event.time), "state": "requested"}
            return {**state, **event.payload, **requested}
        case "confirmed":
            return {**state, "state": "confirmed"}
        case "resumed":
            return {**state, "state": "confirmed", "idle": 0, "why_paused": ""}
        case "started":
            return _start(state, event)
        case "paused":
            return {**state, "state": "paused", "why_paused": event.payload.get("reason", "")}
        case "limited":
            return {**state, "limit": event.payload["limit"]}
        case "finished" | "failed" | "cancelled":
            ended = {"state": event.type, "ended_at": format_time(event.time), "ended_by": event.actor}
            kept = {"figures": event.payload.get("figures", {}), "samples": event.payload.get("samples", [])}
            return {**state, **ended, **kept, "outcome": event.payload["outcome"]}
    return state


def _start(state: State, event: Event) -> State:
    attempts, reached = cast(int, state["attempts"]) + 1, cast(int, event.payload.get("done", 0))
    is_idle = attempts > 1 and reached <= cast(int, state.get("reached", 0))
    return {
        **state,
        "state": "running",
        "started_at": state["started_at"] or format_time(event.time),
        "worker": event.payload["worker"],
        "attempts": attempts,
        "reached": reached,
        "idle": cast(int, state.get("idle", 0)) + 1 if is_idle else 0,
    }


def _summarise(event: Event) -> str:
    match event.type:
        case "requested":
            return f"{event.payload['summary']!s}: {event.payload['reason']!s}"
        case "started":
            return f"on {event.payload['worker']!s}"
        case "limited":
            limit = cast(int, event.payload["limit"])
            return f"at most {limit:,}/s" if limit else "no limit"
        case "finished" | "failed" | "cancelled":
            return str(event.payload["outcome"])
        case "paused":
            return str(event.payload.get("reason", ""))
    return ""


def _time(value: Value) -> datetime | None:
    return parse_time(value) if isinstance(value, str) else None


RUN_DEFINITION = AggregateDefinition(
    context="console",
    type=RUN_TYPE,
    title="Run",
    apply=_apply,
    initial={
        "state": "requested",
        "operation": "",
        "parameters": {},
        "target": "",
        "summary": "",
        "reason": "",
        "requested_by": "",
        "requested_at": "",
        "digest": "",
        "saw": {},
        "attempts": 0,
        "worker": "",
        "started_at": None,
        "ended_at": None,
        "outcome": "",
        "figures": {},
        "ended_by": "",
        "dry_run": False,
        "limit": 0,
        "idle": 0,
        "reached": 0,
        "via": "",
        "retry_of": "",
        "samples": [],
    },
    summarise=_summarise,
)
