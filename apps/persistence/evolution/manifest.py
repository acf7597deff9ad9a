"""This module is the manifest of a generation: its first event, which says what it was made of, and the one that says it was complete.

Both follow from the old stream and the migration alone, ids and times too, so that copying the same events again gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ..encoding import Cid, Value, cid_of
from ..errors import InvalidInput
from ..events import AggregateRef, Event, Head, Scope
from ..store import Layout, Store, find_version, stream_name
from .copying import store_blocks
from .survey import Survey
from .transform import GENERATION, Block, derived_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """The range behind which a generation begins: up to sequence `last` of the old one, in the archive with this `root`.

    `file` is what its file was called when it was written.
    """

    last: int
    events: int
    root: Cid
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a generation was made of: generation `number` of the same stream, up to `last_sequence` when the copy began.

    `messages` is how many that stream held when everything was copied; before, how many when the copy began.
    `completed_at` is the sequence, in the new generation, of the event that says that everything was copied; None before. `log_root` is
    that of the old stream's Merkle log when the copy began, None where an older version began it. `archived` is what it begins behind,
    None where everything was copied.
    """

    migration: str
    number: int
    last_sequence: int
    messages: int
    heads: Cid
    log_root: str | None
    opened: Head
    completed_at: int | None
    archived: Archived | None = None


def manifest_type(layout: Layout) -> tuple[str, str]:
    """Context and type of the aggregates that manifests are of: the console's own, which no domain declares."""
    return layout.context or "cim", "generation"


def manifest_ref(layout: Layout) -> AggregateRef:
    """The aggregate that the manifest's events are of."""
    return AggregateRef(*manifest_type(layout), layout.stream)


async def find_manifest(target: Store) -> Manifest | None:
    """The manifest of a generation, or None where it has none (the first generation, or one that was not begun)."""
    ref = manifest_ref(target.layout)
    first = await find_version(target, ref, 1, leader=True)
    if first is None:
        return None
    second = await find_version(target, ref, 2, leader=True)
    event = Event.from_block(first.data)
    said = cast("dict[str, Value]", event.payload["from"])
    at_last = cast("dict[str, Value]", Event.from_block(second.data).payload["from"]) if second else said
    return Manifest(
        migration=cast(str, event.payload["migration"]),
        number=cast(int, said["generation"]),
        last_sequence=cast(int, said["last_sequence"]),
        messages=cast(int, at_last["messages"]),
        heads=cast(Cid, said["heads"]),
        log_root=cast("str | None", said["log_root"]),
        opened=Head(aggregate=ref, version=1, cid=cid_of(first.data)),
        completed_at=second.sequence if second else None,
        archived=_archived(event.payload.get("archive")),
    )


async def open_generation(target: Store, found: Survey, *, migration: str, number: int, by: str, archived: Archived | None = None) -> None:
    """Write the manifest. Raises InvalidInput where the new stream already holds something else."""
    payload: dict[str, Value] = {"migration": migration, "from": {**_described(found), "generation": number}}
    if archived is not None:
        payload["archive"] = {"root": archived.root, "file": archived.file, "last_sequence": archived.last, "events": archived.events}
    block = _block(target.layout, found, "opened", payload, version=1, previous=None, by=by)
    if target.layout.stream == stream_name(target.layout.name, 1):
        raise InvalidInput(f"{target.layout.stream} is the first generation; it was not made of another.")
    await store_blocks(target, [block])


async def complete_generation(target: Store, found: Survey, manifest: Manifest, *, by: str) -> None:
    """Write that everything up to the survey's end was copied."""
    payload: dict[str, Value] = {"migration": manifest.migration, "from": {**_described(found), "generation": manifest.number}}
    await store_blocks(target, [_block(target.layout, found, "completed", payload, version=2, previous=manifest.opened.cid, by=by)])


def _archived(said: Value) -> Archived | None:
    if not isinstance(said, dict):
        return None
    return Archived(
        last=cast(int, said["last_sequence"]), events=cast(int, said["events"]), root=cast(Cid, said["root"]), file=cast(str, said["file"])
    )


def _described(found: Survey) -> dict[str, Value]:
    return {
        "stream": found.stream,
        "messages": found.messages,
        "first_sequence": found.first_sequence,
        "last_sequence": found.last_sequence,
        "aggregates": len(found.heads),
        "heads": found.digest,
        "log_root": found.log_root,
    }


def _block(
    layout: Layout, found: Survey, event_type: str, payload: dict[str, Value], *, version: int, previous: Cid | None, by: str
) -> Block:
    event_id = derived_id(layout.stream, event_type, found.stream, found.last_sequence)
    event = Event(
        aggregate=manifest_ref(layout),
        version=version,
        type=event_type,
        schema=1,
        id=event_id,
        time=found.last_time,
        actor=by,
        correlation=event_id,
        causation=None,
        scope=Scope.CLUSTER,
        previous=previous,
        payload=payload,
        metadata={GENERATION: {"stream": found.stream, "sequence": found.last_sequence if event_type == "completed" else 0}},
    )
    data = event.to_block()
    return Block(event=event, data=data, cid=cid_of(data))
