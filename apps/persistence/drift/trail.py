"""This module is drift in the operator trail: an aggregate in CIM-CONSOLE for each watched thing, one event for each alarm and its end.

drifted     a field is not as it was accepted, and no run of the console explains it
returned    it is again as it was accepted
explained   a run that made the change has been found after all
accepted    a person accepted it; the event names the run and the reason
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ..chain.limits import DRIFT_TYPE, drift_ref
from ..encoding import Value
from ..errors import VersionConflict
from ..events import AggregateDefinition, Event, NewEvent, State, fold, format_time
from ..store import CONSOLE, Store, append, load
from .record import Difference
from .words import title_of, value_words

WATCH = "drift watch"
_TRIES = 5


def drifted(what: str, found: Difference) -> NewEvent:
    """A field that differs."""
    return NewEvent(type="drifted", actor=WATCH, payload={**_said(what, found), "since": format_time(found.since)})


def ended(what: str, found: Difference, *, run: str = "") -> NewEvent:
    """An alarm that is over: by a run that explains it, or as the field went back."""
    kind = "explained" if run else "returned"
    return NewEvent(type=kind, actor=WATCH, payload=_said(what, found) | ({"run": run} if run else {}))


def accepted(what: str, found: Difference, *, by: str, run: str, reason: str) -> NewEvent:
    """An alarm that a person accepted."""
    return NewEvent(type="accepted", actor=by, payload={**_said(what, found), "run": run, "reason": reason})


async def note(store: Store, what: str, events: Sequence[NewEvent]) -> None:
    """Append what the trail does not say yet. Raises VersionConflict where others keep writing, Unavailable."""
    console, ref = store.on(CONSOLE), drift_ref(what)
    for attempt in range(_TRIES):
        found = await load(console, ref)
        state = fold(DRIFT_DEFINITION, (stored.event for stored in found.events))
        news = [event for event in events if _is_news(state, event)]
        if not news:
            return
        try:
            await append(console, found.head, news)
            return
        except VersionConflict:
            if attempt == _TRIES - 1:
                raise


def _said(what: str, found: Difference) -> dict[str, Value]:
    return {
        "what": what,
        "field": found.field,
        "before": value_words(found.field, found.before),
        "after": value_words(found.field, found.after),
    }


def _is_news(state: State, event: NewEvent) -> bool:
    """A field drifts once to one value, and an alarm ends once."""
    known = cast("dict[str, Value]", state["open"])
    field = cast(str, event.payload["field"])
    return known.get(field) != event.payload["after"] if event.type == "drifted" else field in known


def _apply(state: State, event: Event) -> State:
    said: Any = event.payload
    known = {name: value for name, value in cast("dict[str, Value]", state["open"]).items() if name != said["field"]}
    if event.type == "drifted":
        known[said["field"]] = said["after"]
    return {"what": said["what"], "open": known}


def _summarise(event: Event) -> str:
    said: Any = event.payload
    name, field = said["what"].partition("/")[2], title_of(said["field"])
    if event.type == "drifted":
        return f"{name}: {field} was {said['before']}, is {said['after']}"
    if event.type == "returned":
        return f"{name}: {field} is {said['before']} again"
    by = f"by run {said['run']}" if event.type == "explained" else f"for the reason “{said['reason']}”"
    return f"{name}: {field} {said['after']} {event.type} {by}"


DRIFT_DEFINITION = AggregateDefinition(
    context="console",
    type=DRIFT_TYPE,
    title="Drift",
    apply=_apply,
    initial={"what": "", "open": {}},
    summarise=_summarise,
)
