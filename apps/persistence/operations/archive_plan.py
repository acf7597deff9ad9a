"""This module is what is told before an archive leaves its events behind: what goes, what else is touched, and a trial of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..encoding import Value, cid_of
from ..evolution import Archived, fold_range, manifest_type
from ..registry import Registry
from ..store import Layout, Store, StreamInfo, list_consumers, read_batch, read_generations, stream_name
from ..work.operation import Change, Outcome, Plan, Progress, Sample
from ..work.vouching import SERVES_AFTER
from .behind_archive import starting_projections
from .consumer_rights import OWN_NAMES

COUNTED = 5_000
"""A range of more events than this is counted by a dry run only."""
_NAMED = 12
_FAILED_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The range of a stream from its first event to sequence `last`."""

    info: StreamInfo
    last: int

    @property
    def events(self) -> int:
        """How many sequences it has."""
        return self.last - self.info.first_sequence + 1

    @property
    def bytes(self) -> int:
        """About how many bytes they take, by the average of the stream."""
        return self.info.bytes * self.events // max(1, self.info.messages)


async def with_new_generation(store: Store, registry: Registry, plan: Plan, layout: Layout, found: Range) -> Plan:
    """A plan of an archive with what becomes of the stream."""
    record = await read_generations(store.connection, layout.stream)
    after = stream_name(layout.stream, record.last + 1)
    stream, stays = found.info.name, found.info.messages - found.events
    aggregates = await _aggregates(store.on(layout.of_generation(record.serving)), found)
    begins = "one for each aggregate with archived events" if aggregates is None else f"{aggregates:,} that open aggregates"
    counted = "a dry run counts them" if aggregates is None else f"{aggregates:,}"
    return replace(
        plan,
        saw={**plan.saw, "generation that serves": record.serving, "generations so far": record.last, SERVES_AFTER: after},
        changes=(
            *plan.changes,
            Change(what="Stream that serves", now=stream, after=after),
            Change(what="Events that leave", now="–", after=f"{found.events:,}, about {found.bytes:,} bytes"),
            Change(what="Aggregates touched", now="–", after=counted),
            Change(what="Events in the stream that serves", now=f"{found.info.messages:,}", after=f"{begins}, and {stays:,} that stay"),
        ),
        notes=(*plan.notes, *await _notes(store, registry, layout, stream, after)),
        undo=f"Switch back with roll-back-archive for as long as {stream} is there; the file stays.",
        confirm_with=stream,
    )


async def _aggregates(source: Store, found: Range) -> int | None:
    """How many have events in the range; None where it is too long to be read now. A plan makes no consumer."""
    if found.events > COUNTED:
        return None
    names: set[str] = set()
    position = found.info.first_sequence
    while position <= found.last:
        batch = await read_batch(source.connection, found.info.name, from_sequence=position, limit=1_000)
        parsed = [source.layout.parse(message.subject) for message in batch.messages if message.sequence <= found.last]
        kinds = [parts for parts in parsed if parts and (parts.context, parts.aggregate) != manifest_type(source.layout)]
        names.update(f"{parts.context}.{parts.aggregate}.{parts.entity}" for parts in kinds)
        if not batch.messages:
            break
        position = batch.messages[-1].sequence + 1
    return len(names)


async def _notes(store: Store, registry: Registry, layout: Layout, stream: str, after: str) -> tuple[str, ...]:
    projections = [definition.name for definition in starting_projections(registry, layout)]
    listed = await list_consumers(store.connection, stream)
    consumers = [one.name for one in listed if one.durable and not one.name.startswith(OWN_NAMES)]
    named = f"{', '.join(consumers[:_NAMED])}{' and others' if len(consumers) > _NAMED else ''}"
    return (
        f"Each aggregate with archived events begins in {after} with one event: its state, its old version and head, and the archive.",
        "What came after the range is copied as it was written. Versions begin anew. Writers are refused for a moment before the switch.",
        f"{stream} is closed and kept, byte for byte. Only a person deletes it: then there is no way back, the file alone has its events.",
        f"Projections begin with models as they were at the end of the range, made first: {', '.join(projections)}."
        if projections
        else "No projection needs models to begin with.",
        "Later versions of a projection begin with those models too, by its transforms; other code needs the archived events.",
        "Snapshots belong to the generation that they were taken of: take them anew. Marks of verification too: verify anew.",
        *((f"Consumers that stay on {stream} and hear of nothing new: {named}.",) if consumers else ()),
    )


async def try_range(source: Store, registry: Registry, progress: Progress, found: Range, *, is_leaving: bool) -> Outcome:
    """Fold every aggregate of the range, without writing."""

    async def on_batch(events: int, sequence: int) -> None:
        await progress.report(events, found.events, sequence=sequence)

    folded = await fold_range(source, registry.aggregates, last=found.last, on_batch=on_batch)
    nowhere = Archived(last=found.last, events=folded.events, root=cid_of(b""), file="-")
    opening = sum(folded.check_sizes(source, nowhere))
    problems = folded.problems if is_leaving else []
    for problem in problems[:_FAILED_KEPT]:
        progress.fail(problem, "cannot be opened in a new generation")
    figures: dict[str, Value] = {
        "events": folded.events,
        "seconds": progress.seconds,
        "aggregates": len(folded.standings),
        "bytes": folded.bytes,
        "bytes_of_openings": opening,
        "problems": list[Value](problems),
    }
    words = f"{folded.events:,} events of {len(folded.standings):,} aggregates lie in the range, {folded.bytes:,} bytes."
    if is_leaving and not problems:
        words = f"Nothing stands in the way. {words} {len(folded.standings):,} events of {opening:,} bytes would stand for them."
    elif problems:
        words = f"{folded.problem_count:,} things stand in the way of a new generation. {words}"
    return Outcome(
        sentence=words,
        figures=figures,
        samples=tuple(Sample(what=f"Problem {number}", after=text, is_bad=True) for number, text in enumerate(problems[:10], 1)),
    )
