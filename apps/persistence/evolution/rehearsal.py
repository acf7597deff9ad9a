"""This module is the dry run of a stream's migration: every event transformed and every state compared, in memory, nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from ..encoding import Value, encode
from ..errors import EncodingError, InvalidEvent
from ..events import AggregateRef, Event, Head, NewEvent, State, StoredEvent, sealed_in
from ..store import Message, Store, decode_event, get_stream, open_reader
from ..store.turns import Turns
from .copying import SLICE
from .migration import Rehearsal, Work
from .states import Difference, Expected, compare
from .transform import Transform, is_as_it_was, make_blocks, parts_of, read_to_copy

RANDOM_KEPT = 6
CHANGED_KEPT = 6
STATES_KEPT = 6
FAILING_KEPT = 1_000
DIFFERENCES_KEPT = 1_000
KEPT = "kept as they are"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """One event as it is stored and what becomes of it: `why` it is shown, and `problem` where it fails."""

    why: str
    sequence: int
    before: Event | None
    after: tuple[NewEvent, ...] = ()
    problem: str = ""


@dataclass(slots=True)
class _Both:
    """An aggregate's state by its old events and by its new ones. `old_problem`: it could not be folded before, so nothing is compared."""

    old: State
    new: State
    version: int = 0
    is_comparable: bool = True
    problem: str = ""


@dataclass(slots=True)
class _Trial:
    """The dry run while it goes on. The random choice is the same for the same stream."""

    work: Work
    source: Store
    transform: Transform
    counts: Counter[str] = field(default_factory=Counter)
    failing: list[Diff] = field(default_factory=list)
    chosen: list[Diff] = field(default_factory=list)
    changed: list[Diff] = field(default_factory=list)
    smallest: tuple[int, Diff] | None = None
    largest: tuple[int, Diff] | None = None
    states: dict[AggregateRef, _Both] = field(default_factory=dict)
    random: Random = field(default_factory=lambda: Random(0))
    turns: Turns = field(default_factory=Turns)

    def take(self, stored: StoredEvent, written: Event) -> None:
        """Transform one event, given as it is read and as it was `written`, and note what becomes of it."""
        self.counts["events read"] += 1
        event = stored.event
        try:
            parts = tuple(parts_of(self.transform, event))
            make_blocks(stored, parts, Head(aggregate=event.aggregate), old_head=stored.head)
        except Exception as error:  # a domain's code, which may raise anything
            words = str(error) if isinstance(error, (InvalidEvent, EncodingError)) else f"{type(error).__name__}: {error}"
            self.fail(stored.sequence, written, words)
            return
        kind = _kind(stored, parts)
        self.counts["events written"] += len(parts)
        self.counts[kind] += 1
        self._choose(stored, Diff(why="random", sequence=stored.sequence, before=written, after=parts), kind)
        self._fold(event, parts)

    def fail(self, sequence: int, event: Event | None, problem: str) -> None:
        """An event that stands in the way."""
        self.counts["failing"] += 1
        if len(self.failing) < FAILING_KEPT:
            self.failing.append(Diff(why="failing", sequence=sequence, before=event, problem=problem))

    def _choose(self, stored: StoredEvent, diff: Diff, kind: str) -> None:
        """A random choice of all events so far, and of those that do not stay as they are; and the smallest and the largest."""
        self._draw(self.chosen, diff, RANDOM_KEPT, self.counts["events read"])
        if kind != KEPT:
            self._draw(self.changed, replace(diff, why=kind), CHANGED_KEPT, self.counts["events read"] - self.counts[KEPT])
        if self.smallest is None or stored.size < self.smallest[0]:
            self.smallest = (stored.size, replace(diff, why="smallest"))
        if self.largest is None or stored.size > self.largest[0]:
            self.largest = (stored.size, replace(diff, why="largest"))

    def _draw(self, drawn: list[Diff], diff: Diff, kept: int, seen: int) -> None:
        """Keep `kept` of all that were `seen`, each with the same chance."""
        if len(drawn) < kept:
            drawn.append(diff)
        elif (place := self.random.randrange(seen)) < kept:
            drawn[place] = diff

    def _fold(self, event: Event, parts: Sequence[NewEvent]) -> None:
        definition = self.work.definitions.get((event.aggregate.context, event.aggregate.type))
        if definition is None:
            return
        both = self.states.get(event.aggregate)
        if both is None:
            both = self.states[event.aggregate] = _Both(dict(definition.initial), dict(definition.initial))
        both.is_comparable = both.is_comparable and sealed_in(event) is None
        if not both.is_comparable:
            return
        try:
            both.old = definition.next_state(both.old, event)
        except Exception:  # it could not be folded before either
            both.is_comparable = False
            return
        for part in parts if not both.problem else ():
            both.version += 1
            try:
                both.new = definition.next_state(both.new, _as_event(event, part, both.version))
            except Exception as error:
                both.problem = f"sequence of version {event.version}: {type(error).__name__}: {error}"
                return

    async def differences(self, expected: Expected | None) -> list[Difference]:
        """Every aggregate whose state after is not the one expected."""
        found: list[Difference] = []
        for ref, both in self.states.items():
            await self.turns.give_way()
            if not both.is_comparable:
                continue
            if both.problem:
                found.append(Difference(aggregate=ref, problem=both.problem))
            elif difference := compare(ref, both.old, both.new, expected=expected, may_differ=self.work.may_differ):
                found.append(difference)
        return found

    def diffs(self) -> list[Diff]:
        """Every failing event (as many as are kept), some that change, the smallest, the largest and some at random; each once."""
        ends = [pair[1] for pair in (self.smallest, self.largest) if pair]
        changed, chosen = (sorted(part, key=lambda diff: diff.sequence) for part in (self.changed, self.chosen))
        once: dict[int, Diff] = {}
        for diff in [*ends, *changed, *chosen]:
            once.setdefault(diff.sequence, diff)
        return [*self.failing, *sorted(once.values(), key=lambda diff: diff.why in ("smallest", "largest", "random"))]

    def some_states(self, differences: Sequence[Difference]) -> list[Value]:
        """States before and after: of aggregates that differ, and of some others at random."""
        differing = {difference.aggregate: str(difference) for difference in differences[:STATES_KEPT]}
        others = sorted((ref for ref, both in self.states.items() if both.is_comparable and ref not in differing), key=str)
        drawn = self.random.sample(others, min(len(others), STATES_KEPT - len(differing)))
        return [
            {
                "aggregate": str(ref),
                "before": _small(self.states[ref].old),
                "after": _small(self.states[ref].new),
                "difference": differing.get(ref, ""),
            }
            for ref in [*differing, *drawn]
        ]


async def rehearse(work: Work, source: Store, transform: Transform, *, expected: Expected | None, after: int = 0) -> Rehearsal:
    """Read the stream once, from the sequence that follows `after`, without writing.

    What stands in the way is in `problems`; the report holds what becomes of single events and states.
    """
    stream = source.layout.stream
    trial = _Trial(work, source, transform, random=Random(stream))
    last = (await get_stream(source.connection, stream)).last_sequence
    async with open_reader(source.connection, stream, from_sequence=after + 1, to_sequence=last) as reader:
        async for messages in reader:
            for start in range(0, len(messages), SLICE):
                part = messages[start : start + SLICE]
                await _take_all(trial, part)
                await work.report(part[-1].sequence, last)
    differences = await trial.differences(expected)
    trial.counts["aggregates compared"] = sum(both.is_comparable for both in trial.states.values())
    trial.counts["aggregates that differ"] = len(differences)
    problems = [f"{trial.counts['failing']:,} events cannot be transformed."] if trial.counts["failing"] else []
    problems += [f"{len(differences):,} aggregates would have another state than expected."] if differences else []
    report: dict[str, Value] = {
        "stream": stream,
        "last_sequence": last,
        "diffs": [_to_value(diff) for diff in trial.diffs()],
        "differences": [str(difference) for difference in differences[:DIFFERENCES_KEPT]],
        "states": trial.some_states(differences),
    }
    return Rehearsal(problems=tuple(problems), counts=tuple(sorted(trial.counts.items())), report=report)


async def _take_all(trial: _Trial, messages: Sequence[Message]) -> None:
    for message in messages:
        await trial.turns.give_way()
        written: Event | None = None
        try:
            raw = decode_event(trial.source, message)
            written = raw.event
            stored = read_to_copy(trial.source.upcasters, raw)
        except (InvalidEvent, EncodingError) as error:
            trial.counts["events read"] += 1
            trial.fail(message.sequence, written, str(error))
            continue
        trial.take(stored, written)


def _kind(stored: StoredEvent, parts: Sequence[NewEvent]) -> str:
    if not parts:
        return "dropped"
    if len(parts) > 1:
        return "split"
    is_same = is_as_it_was(stored.event, parts) and stored.event.schema == stored.stored_schema
    return KEPT if is_same else "renamed" if parts[0].type != stored.event.type else "changed"


def _as_event(event: Event, part: NewEvent, version: int) -> Event:
    return replace(event, version=version, type=part.type, schema=part.schema, payload=dict(part.payload))


def _to_value(diff: Diff) -> Value:
    before = diff.before
    return {
        "why": diff.why,
        "sequence": diff.sequence,
        "aggregate": str(before.aggregate) if before else "",
        "version": before.version if before else 0,
        "before": _side(before.type, before.schema, before.payload) if before else None,
        "after": [_side(part.type, part.schema, part.payload) for part in diff.after],
        "problem": diff.problem,
    }


def _side(event_type: str, schema: int, payload: Mapping[str, Value]) -> Value:
    return {"type": event_type, "schema": schema, "payload": _small(payload)}


def _small(value: Mapping[str, Value]) -> Value:
    return dict(value) if len(encode(dict(value))) <= 2_000 else "(large)"
