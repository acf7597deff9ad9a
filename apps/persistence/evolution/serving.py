"""This module is the record in the operator trail of which generation of a stream serves: events of `console.generations.{stream}`.

`serves` is entered before the switch, with the run that switches; `withdrawn` says that this run ended before it did. So what the bucket
of generations says can be held against the trail, which is chained and signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ..encoding import Value
from ..errors import StreamNotFound
from ..events import AggregateDefinition, AggregateRef, Event, Head, NewEvent, State, StoredEvent
from ..store import CONSOLE, Store, append, decode_event, find_version, head_of, stream_name

SERVES, WITHDRAWN = "serves", "withdrawn"
TRAIL = CONSOLE.of_generation(1)
"""Read as it was declared, whatever the bucket of generations says of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Generation `number` was made to serve by `run`, as the event `stored` says."""

    number: int
    run: str
    stored: StoredEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Servings:
    """Every switch of one declared stream that stands, oldest first; none where it was never switched, or by an older version only."""

    stream: str
    head: Head
    entries: tuple[Serving, ...]

    @property
    def newest(self) -> Serving | None:
        """The switch that brought what serves."""
        return self.entries[-1] if self.entries else None

    def of(self, number: int) -> Serving | None:
        """The newest switch to this generation."""
        return next((one for one in reversed(self.entries) if one.number == number), None)


def _apply(state: State, event: Event) -> State:
    others = [one for one in cast("list[dict[str, Value]]", state["served"]) if one["run"] != event.payload["run"]]
    return {"served": cast("list[Value]", [*others, dict(event.payload)] if event.type == SERVES else others)}


def _summarise(event: Event) -> str:
    said = cast("dict[str, str]", event.payload)
    return f"{said['stream']}, by run {said['run']}"


SERVING_DEFINITION = AggregateDefinition(
    context="console",
    type="generations",
    title="Generations",
    apply=_apply,
    initial={"served": []},
    summarise=_summarise,
)


async def read_servings(store: Store, stream: str) -> Servings:
    """What the trail says of the generations of a declared stream, from the leader.

    Raises StreamNotFound where there is no trail, InvalidEvent, EncodingError or LookupError where it cannot be read.
    """
    trail, ref = store.on(TRAIL), AggregateRef("console", "generations", stream)
    entries: list[Serving] = []
    head = await head_of(trail, ref, leader=True)
    for version in range(1, head.version + 1):
        message = await find_version(trail, ref, version, leader=True)
        if message is not None:
            entries = _entered(entries, decode_event(trail, message))
    return Servings(stream=stream, head=head, entries=tuple(entries))


async def enter_serving(store: Store, stream: str, number: int, *, run: str, by: str) -> None:
    """Enter that a run switches to this generation, where it did not already; a program without a console has no trail to enter it in.

    Raises VersionConflict.
    """
    try:
        before = await read_servings(store, stream)
    except StreamNotFound:
        return
    if before.newest is None or (before.newest.number, before.newest.run) != (number, run):
        await _enter(store, before, SERVES, number, run=run, by=by)


async def withdraw_serving(store: Store, stream: str, *, run: str, by: str) -> None:
    """Enter that a run ended before it switched, where it had entered that it would. Raises VersionConflict."""
    try:
        before = await read_servings(store, stream)
    except StreamNotFound:
        return
    if before.newest is not None and before.newest.run == run:
        await _enter(store, before, WITHDRAWN, before.newest.number, run=run, by=by)


async def _enter(store: Store, before: Servings, kind: str, number: int, *, run: str, by: str) -> None:
    said: dict[str, Value] = {"generation": number, "stream": stream_name(before.stream, number), "run": run}
    await append(store.on(TRAIL), before.head, [NewEvent(type=kind, payload=said, actor=by)])


def _entered(entries: list[Serving], stored: StoredEvent) -> list[Serving]:
    """The entries after one more event."""
    said, kind = stored.event.payload, stored.event.type
    number, run = cast(int, said["generation"]), cast(str, said["run"])
    others = [one for one in entries if one.run != run]
    return [*others, Serving(number=number, run=run, stored=stored)] if kind == SERVES else others
