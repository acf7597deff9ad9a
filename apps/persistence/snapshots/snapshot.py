"""This module is the snapshot as it is kept: an aggregate's state at a version, as a block in the bucket `cim-snapshots`.

A state above 512 KiB lies apart, in `cim-states`; the block then holds the link to it, and readers get the state all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..encoding import Cid, Value, cid_of, decode, encode
from ..errors import ContentDamaged, EncodingError, InvalidInput, InvalidState, StreamNotFound, Unavailable
from ..events import AggregateRef, State, format_time, parse_time
from ..events.policy import MOST_KEPT
from ..store import KvEntry, Store, ensure_bucket, kv_get, kv_get_many, kv_history, kv_put
from ..subjects import SnapshotSubject
from .large import LARGEST_STATE_BYTES, drop_states, put_state, read_state

SNAPSHOTS_BUCKET = "cim-snapshots"
SNAPSHOTS_KEPT = MOST_KEPT
INLINE_STATE_BYTES = 512 * 1024
"""A larger state lies apart."""
MAX_STATE_BYTES = LARGEST_STATE_BYTES
_LARGEST_LINKING = 4096
"""A snapshot whose state lies apart is no larger than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of an aggregate after `version`. `cid` is that of the event at that version and `sequence` its place in the stream.

    `schema` is that of the state (AggregateDefinition.schema). `generation` is that of the stream it was taken of, 0 where that was not
    recorded. `revision` is the bucket's, 0 before it is written. `link` is the CID of a state that lies apart, None of one in the block;
    `apart` are such states of the snapshots before it that may still be kept.
    """

    aggregate: AggregateRef
    version: int
    sequence: int
    cid: Cid
    schema: int
    state: State
    taken_at: datetime
    by: str
    generation: int = 0
    revision: int = 0
    link: Cid | None = None
    apart: tuple[Cid, ...] = ()

    @property
    def state_cid(self) -> Cid:
        """The CID of the state: equal states have equal ones."""
        return self.link or cid_of(encode(self.state))

    def to_block(self) -> bytes:
        """The canonical bytes that are kept. Raises EncodingError for a state that DAG-CBOR cannot hold."""
        large: dict[str, Value] = {"apart": list(self.apart)} if self.apart else {}
        return encode(
            {
                "aggregate": {"context": self.aggregate.context, "type": self.aggregate.type, "id": self.aggregate.id},
                "version": self.version,
                "sequence": self.sequence,
                "cid": self.cid,
                "schema": self.schema,
                "state": self.link or self.state,
                "taken_at": format_time(self.taken_at),
                "by": self.by,
                "generation": self.generation,
                **large,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A kept snapshot that was left aside, and why; `version` is None where not even that can be read."""

    version: int | None
    revision: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the bucket holds for one aggregate, newest version first."""

    snapshots: tuple[Snapshot, ...]
    unusable: tuple[Unusable, ...]

    def of_generation(self, generation: int) -> Kept:
        """Without the snapshots that were taken of another generation of the stream, which are not used in this one."""
        return replace(self, snapshots=tuple(one for one in self.snapshots if one.generation in (0, generation)))


async def read_kept(store: Store, ref: AggregateRef) -> Kept:
    """Every kept snapshot of an aggregate, and those that cannot be read. Nothing where there is no bucket yet."""
    try:
        entries = await kv_history(store.connection, SNAPSHOTS_BUCKET, str(ref))
    except StreamNotFound:
        entries = []
    deleted = max((entry.revision for entry in entries if entry.operation != "put"), default=0)
    read = [await _whole(store, _read(entry, ref)) for entry in entries if entry.revision > deleted]
    snapshots = [one for one in read if isinstance(one, Snapshot)]
    snapshots.sort(key=lambda snapshot: (snapshot.version, snapshot.revision), reverse=True)
    return Kept(snapshots=tuple(snapshots), unusable=tuple(one for one in read if isinstance(one, Unusable)))


async def read_last(store: Store, ref: AggregateRef) -> Snapshot | Unusable | None:
    """The snapshot of an aggregate that was written last, in one read."""
    try:
        entry = await kv_get(store.connection, SNAPSHOTS_BUCKET, str(ref))
    except StreamNotFound:
        return None
    return await _whole(store, _read(entry, ref)) if entry else None


async def read_newest(store: Store, refs: Sequence[AggregateRef]) -> dict[AggregateRef, Snapshot | Unusable]:
    """The snapshot that was written last of each of these aggregates that has one. All their states are in memory at once,
    but for those that lie apart: these are not read, and left empty."""
    names = {str(ref): ref for ref in refs}
    try:
        entries = await kv_get_many(store.connection, SNAPSHOTS_BUCKET, list(names))
    except StreamNotFound:
        return {}
    return {names[key]: _read(entry, names[key]) for key, entry in entries.items()}


async def list_snapshots(store: Store, ref: AggregateRef) -> list[Snapshot]:
    """The kept snapshots of an aggregate that can be read, newest version first."""
    return list((await read_kept(store, ref)).snapshots)


async def find_snapshot(store: Store, ref: AggregateRef, *, schema: int, at_version: int | None = None) -> Snapshot | None:
    """The newest kept snapshot of this state schema, at or before `at_version` if given; None where there is none.

    It is not held against the stream here; `state_at` does that.
    """
    kept = await read_kept(store, ref)
    usable = [one for one in kept.snapshots if one.schema == schema and (at_version is None or one.version <= at_version)]
    return usable[0] if usable else None


async def write_snapshot(store: Store, snapshot: Snapshot) -> int:
    """Keep a snapshot beside the four before it, say so under `cim.snapshots`, and return its revision.

    Raises InvalidState for a state above 16 MiB.
    """
    block = encode(snapshot.state)
    size = len(block)
    if size > MAX_STATE_BYTES:
        raise InvalidState(
            f"The state of {snapshot.aggregate} at version {snapshot.version} is {size:,} bytes, and a snapshot holds {MAX_STATE_BYTES:,}; "
            "make the state smaller, or load this aggregate without a snapshot."
        )
    await ensure_bucket(store.connection, SNAPSHOTS_BUCKET, history=SNAPSHOTS_KEPT)
    if size > INLINE_STATE_BYTES:
        snapshot = replace(snapshot, link=await put_state(store.connection, snapshot.aggregate, block))
    revision = await kv_put(store.connection, SNAPSHOTS_BUCKET, str(snapshot.aggregate), snapshot.to_block())
    ref = snapshot.aggregate
    with suppress(Unavailable):  # it is taken, whoever hears of it
        notice = SnapshotSubject(context=ref.context, aggregate=ref.type, entity=ref.id, version=snapshot.version)
        await store.connection.publish(str(notice), str(snapshot.cid).encode())
    return revision


async def drop_unlinked(store: Store, ref: AggregateRef, apart: Iterable[Cid]) -> None:
    """Remove those of these states of an aggregate that no kept snapshot links to."""
    candidates = set(apart)
    if not candidates:
        return
    entries = await kv_history(store.connection, SNAPSHOTS_BUCKET, str(ref))
    linked = {link_in(entry.value) for entry in entries if entry.operation == "put"}
    await drop_states(store.connection, ref, [cid for cid in candidates if cid not in linked])


def link_in(value: bytes) -> Cid | None:
    """The link to a state that lies apart; None where it lies in the block, or this is no snapshot."""
    if len(value) > _LARGEST_LINKING:
        return None
    try:
        found: Any = decode(value)
        return found["state"] if isinstance(found["state"], Cid) else None
    except (EncodingError, KeyError, TypeError):
        return None


async def keep_newest(store: Store, ref: AggregateRef, count: int) -> int:
    """Leave the newest `count` snapshots of an aggregate, and return how many went."""
    body = {"filter": f"$KV.{SNAPSHOTS_BUCKET}.{ref}", "keep": count}
    answer = await store.connection.api(f"STREAM.PURGE.KV_{SNAPSHOTS_BUCKET}", body, stream=f"KV_{SNAPSHOTS_BUCKET}", timeout=30)
    return int(answer["purged"])


async def _whole(store: Store, read: Snapshot | Unusable) -> Snapshot | Unusable:
    """With its state where that lies apart; unusable where it is not there as it was written."""
    if isinstance(read, Unusable) or read.link is None:
        return read
    try:
        return replace(read, state=await read_state(store.connection, read.aggregate, read.link))
    except (ContentDamaged, EncodingError) as error:
        reason = f"It cannot be read as a snapshot of {read.aggregate}: {error!s:.200}"
        return Unusable(version=read.version, revision=read.revision, reason=reason)


def _read(entry: KvEntry, ref: AggregateRef) -> Snapshot | Unusable:
    version: Any = None
    try:
        value: Any = decode(entry.value)
        version = value["version"]
        aggregate = value["aggregate"]
        link = value["state"] if isinstance(value["state"], Cid) else None
        snapshot = Snapshot(
            aggregate=AggregateRef(aggregate["context"], aggregate["type"], aggregate["id"]),
            version=version,
            sequence=value["sequence"],
            cid=Cid.from_bytes(value["cid"].raw),
            schema=value["schema"],
            state={} if link else value["state"],
            taken_at=parse_time(value["taken_at"]),
            by=value["by"],
            generation=value.get("generation", 0),
            revision=entry.revision,
            link=link,
            apart=tuple(value.get("apart", ())),
        )
        _check(snapshot, ref)
    except (EncodingError, InvalidInput, KeyError, TypeError, AttributeError) as error:
        known = version if type(version) is int else None
        return Unusable(version=known, revision=entry.revision, reason=f"It cannot be read as a snapshot of {ref}: {error!s:.200}")
    return snapshot


def _check(snapshot: Snapshot, ref: AggregateRef) -> None:
    if snapshot.aggregate != ref:
        raise InvalidInput(f"it is one of {snapshot.aggregate}.")
    for name, number in (("version", snapshot.version), ("sequence", snapshot.sequence), ("schema", snapshot.schema)):
        if type(number) is not int or number < 1:
            raise InvalidInput(f"its {name} is {number!r}.")
    if type(snapshot.generation) is not int or snapshot.generation < 0:
        raise InvalidInput(f"its generation is {snapshot.generation!r}.")
    if not all(type(cid) is Cid for cid in snapshot.apart):
        raise InvalidInput("its links to states of snapshots before it are no links.")
    if type(snapshot.state) is not dict or type(snapshot.by) is not str:
        raise InvalidInput("its state is no map, or nobody is named who took it.")
