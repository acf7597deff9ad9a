"""This module is whether the operator trail vouches for a generation of a stream: that a run which a person asked for made it serve.

Which generation serves stands in a bucket, and whoever rules the server can write there that another one does, made of anything. So a
later generation counts as what it says only where CIM-CONSOLE says so too: `console.generations` names the run that switched to it, and
that run was confirmed, began, and had that stream in its plan. Before that entry was made, an older version left a run that finished
and said so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from ..errors import EncodingError, InvalidEvent, InvalidInput, StreamNotFound
from ..events import StoredEvent
from ..evolution import Serving, Servings, read_servings
from ..evolution.serving import TRAIL
from ..log.leaves import Leaf
from ..log.signer import Candidate
from ..store import Generations, Layout, Store, chained_generations, load, read_generations, stream_name
from ..store.generations import generations_before
from .run import Run, RunState, run_from, run_ref

SERVES_AFTER = "stream that will serve"
"""What the plan of an operation that switches generations says it saw: the name of the stream that will serve after it."""
SWITCHING = frozenset({"migrate", "archive", "roll-back-archive"})
"""The operations that switch generations."""
_WARNING = (
    "Somebody with rights on the server may have put another history in the place of the true one. Do not go by it: find out who wrote "
    "the bucket cim-generations, and put its last true revision back."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Whether the trail vouches for a generation: `why_not` is empty where it does, and where `is_open` says that a run is at it just now.

    `grounds` are the events of the trail that say so. `is_made` is whether they say so of what it holds, and only not that it serves.
    """

    why_not: str = ""
    is_open: bool = False
    is_made: bool = True
    grounds: tuple[StoredEvent, ...] = ()


OPEN = Vouched(is_open=True)


async def vouch(store: Store, layout: Layout) -> Vouched:
    """What the trail says of one generation of a declared stream; of the first, whether it may serve. Raises Unavailable."""
    if layout.name == TRAIL.stream or not layout.is_chained:
        return Vouched()
    try:
        record = await read_generations(store.connection, layout.name)
        servings = await _servings(store, layout.name)
        made = await _made(store, record, servings, layout.generation) if layout.generation > 1 else Vouched()
        return made if made.why_not or made.is_open else await _serves(store, record, servings, layout, made)
    except (InvalidInput, EncodingError, LookupError, TypeError, ValueError) as error:
        return Vouched(why_not=f"Whether {layout.stream} is what operators made cannot be told: {error} {_WARNING}", is_made=False)


async def find_candidates(store: Store) -> list[Candidate]:
    """Every declared stream with chains, in the generations that there are at this moment, as candidates for a signature."""
    found = []
    for layout in store.layouts:
        if layout.is_chained:
            with suppress(InvalidInput):  # then what was known before stays, and is refused
                await read_generations(store.connection, layout.stream)
    for layout in chained_generations(store.connection, store.layouts):
        vouched = await vouch(store, layout)
        if not vouched.is_open:
            grounds = tuple(Leaf(one.sequence, one.cid) for one in vouched.grounds)
            found.append(Candidate(stream=layout.stream, why_not=vouched.why_not, grounds_in=TRAIL.stream, grounds=grounds))
    return found


async def _servings(store: Store, stream: str) -> Servings | None:
    """None where there is no trail."""
    try:
        return await read_servings(store, stream)
    except StreamNotFound:
        return None


async def _made(store: Store, record: Generations, servings: Servings | None, number: int) -> Vouched:
    """Whether a run made this later generation."""
    stream = stream_name(record.stream, number)
    entry = servings.of(number) if servings else None
    if entry is not None:
        return await _entered(store, entry, stream)
    if number == record.filling and number != record.serving:
        return OPEN
    for run_id in await _named_by_bucket(store, record, number):
        found = await _load(store, run_id)
        if found is not None and _said_so(found[0], stream):
            return Vouched(grounds=found[1])
    named = record.made.get(number) or (record.run if number == record.serving else "")
    whom = f"the bucket cim-generations names the run {named[:60]!r}, which did not make it" if named else "no run is named for it"
    return Vouched(why_not=f"The operator trail knows of no run that made {stream}: {whom}. {_WARNING}", is_made=False)


async def _entered(store: Store, entry: Serving, stream: str) -> Vouched:
    """Whether the run that the trail names for a switch is one that was to do that."""
    found = await _load(store, entry.run)
    problem = "is not in the trail"
    if found is not None:
        run, events = found
        problem = _problem(run, stream)
        if not problem:
            return Vouched(grounds=(entry.stored, *events))
        if SERVES_AFTER not in run.saw and not run.state.is_ended:
            return OPEN
    return Vouched(
        why_not=f"The operator trail says that run {entry.run[:60]} made {stream} serve, and that run {problem}. {_WARNING}", is_made=False
    )


def _problem(run: Run, stream: str) -> str:
    """Why a run cannot have switched to this stream, to follow "that run"; empty where it can."""
    if run.is_dry_run:
        return "was a dry run"
    if run.operation not in SWITCHING:
        return f"is of the operation {run.operation[:60]}, which switches no stream"
    if run.state is RunState.REQUESTED or not run.attempts:
        return "was never confirmed and begun"
    if SERVES_AFTER in run.saw:
        return "" if run.saw[SERVES_AFTER] == stream else f"was to have {str(run.saw[SERVES_AFTER])[:60]} serve"
    return "" if _said_so(run, stream) else "did not say so"


def _said_so(run: Run, stream: str) -> bool:
    """Whether a run finished with the words that this stream serves."""
    is_done = run.operation in SWITCHING and run.state is RunState.FINISHED and not run.is_dry_run
    return is_done and re.search(rf"(^|\s){re.escape(stream)}(, which)? serves\b", run.outcome) is not None


async def _serves(store: Store, record: Generations, servings: Servings | None, layout: Layout, made: Vouched) -> Vouched:
    """Whether the generation that serves is the one that the trail says, asked of either of the two."""
    newest = servings.newest if servings else None
    if newest is None:
        expected = record.serving if record.serving == 1 or layout.generation > 1 else await _old_one(store, record)
    else:
        expected = newest.number
    if expected == record.serving or layout.generation not in (expected, record.serving):
        return made
    if newest is not None and await _is_at_work(store, newest.run):
        return OPEN
    says, true = stream_name(record.stream, record.serving), stream_name(record.stream, expected)
    return Vouched(why_not=f"The bucket cim-generations has {says} serve, and by the operator trail {true} does. {_WARNING}")


async def _old_one(store: Store, record: Generations) -> int:
    """What serves where an older version made the switch, which entered nothing: a later one only if a run said so."""
    made = await _made(store, record, None, record.serving)
    return record.serving if not made.why_not else 1


async def _is_at_work(store: Store, run_id: str) -> bool:
    found = await _load(store, run_id)
    return found is not None and found[0].state in (RunState.CONFIRMED, RunState.RUNNING)


async def _named_by_bucket(store: Store, record: Generations, number: int) -> Iterable[str]:
    """The runs that may have made a generation, as the bucket says now, and said in the revisions that it still keeps."""
    before = [record, *reversed(await generations_before(store.connection, record.stream))]
    named = [one.made.get(number) or (one.run if one.serving == number and one.filling is None else "") for one in before]
    return dict.fromkeys(run_id for run_id in named if run_id)


async def _load(store: Store, run_id: str) -> tuple[Run, tuple[StoredEvent, ...]] | None:
    """A run with its events; None where the trail has none of this name, or what is named is no name of one."""
    try:
        events = (await load(store.on(TRAIL), run_ref(run_id))).events
    except (InvalidInput, InvalidEvent, StreamNotFound):
        return None
    run = run_from(events)
    return (run, events) if run is not None else None
