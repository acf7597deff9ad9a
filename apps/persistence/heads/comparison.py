"""This module is holding a stream against a heads manifest: each aggregate must still have the manifest's version under exactly its CID.

That is one Direct Get for many aggregates, whatever the length of the stream. What its limits or recorded runs removed is no omission.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ..chain.expiry import expired_of
from ..chain.removal_runs import is_confirmed
from ..chain.removals import EXPIRED, Removal, list_removals, removals_of, stream_origins
from ..encoding import Cid, cid_of
from ..errors import EventNotFound, FeatureUnavailable
from ..events import AggregateRef
from ..store import Message, Store, StreamInfo, TooManyMatches, get_last, get_message, get_stream, last_of_each, subjects_matching
from ..subjects import overlaps
from .kept import Manifest, read_rows
from .manifest import HeadRow

AT_ONCE = 500
MAX_OMISSIONS = 1000
LOOKED_AT = 100
"""Of so many omissions it is looked up how far the aggregate goes now."""

OnCompared = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Omission:
    """An aggregate whose head a manifest names and that is not so: `found` is another event of that version, None where there is none.

    `sequence` is where the head lay. `stands_at` is the newest version that is there now, 0 where nothing of it is, None where that was not
    looked up.
    """

    aggregate: AggregateRef
    version: int
    sequence: int
    expected: Cid
    found: Cid | None
    stands_at: int | None = None

    @property
    def explanation(self) -> str:
        """For a person, without the manifest's own name."""
        named = f"{self.aggregate} was at version {self.version:,}, sequence {self.sequence:,}"
        if self.found is not None:
            return f"{named}, when the heads were recorded; another event is version {self.version:,} now."
        if self.stands_at == 0:
            return f"{named}, when the heads were recorded; nothing of it is there any more."
        if self.stands_at is None:
            return f"{named}, when the heads were recorded; that version is not there any more."
        ends = f"it ends at version {self.stands_at:,} now" if self.stands_at < self.version else "that version is missing now"
        return f"{named}, when the heads were recorded; {ends}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What holding a stream against `manifest` found: of `aggregates` heads the first `omitted` in full, `omitted_count` counts all.

    `removed` counts those heads that are gone because the stream's limits or recorded runs removed them.
    """

    manifest: Manifest
    aggregates: int
    omitted: tuple[Omission, ...]
    omitted_count: int
    removed: int

    @property
    def holds(self) -> bool:
        """Whether every aggregate is as the manifest names it, but for what was removed on purpose."""
        return not self.omitted_count


async def compare_with_manifest(store: Store, manifest: Manifest, *, on_progress: OnCompared | None = None) -> Comparison:
    """Hold the stream of `manifest` against it; the store must be on that stream. `on_progress` hears how many heads are compared.

    Raises ContentDamaged or CidNotFound where the manifest's bytes are not what its event names, StreamNotFound, Unavailable.
    """
    comparing = _Comparing(store=store, manifest=manifest, info=await get_stream(store.connection, manifest.stream))
    waiting: list[HeadRow] = []
    async for rows in read_rows(store.connection, manifest):
        waiting += rows
        while len(waiting) >= AT_ONCE:
            await comparing.take(waiting[:AT_ONCE], on_progress)
            del waiting[:AT_ONCE]
    await comparing.take(waiting, on_progress)
    return Comparison(
        manifest=manifest,
        aggregates=comparing.aggregates,
        omitted=tuple(comparing.omitted),
        omitted_count=comparing.omitted_count,
        removed=comparing.removed,
    )


@dataclass(slots=True, kw_only=True)
class _Comparing:
    store: Store
    manifest: Manifest
    info: StreamInfo
    aggregates: int = 0
    omitted_count: int = 0
    omitted: list[Omission] = field(default_factory=list)
    removed: int = 0
    removals: list[Removal] | None = None

    async def take(self, rows: Sequence[HeadRow], on_progress: OnCompared | None) -> None:
        """Look up the heads of these aggregates together."""
        if not rows:
            return
        found = await _look_up(self.store, rows)
        for row in rows:
            cids = found.get(row.name, ())
            if row.cid not in cids:
                await self._judge(row, cids[0] if cids else None)
        self.aggregates += len(rows)
        if on_progress is not None:
            await on_progress(self.aggregates)

    async def _judge(self, row: HeadRow, found: bytes | None) -> None:
        if found is None and await self._is_removed(row):
            self.removed += 1
            return
        self.omitted_count += 1
        if len(self.omitted) >= MAX_OMISSIONS:
            return
        stands_at = None
        if found is None and len(self.omitted) < LOOKED_AT:
            stands_at = await _newest_version(self.store, AggregateRef(*row.key))
        self.omitted.append(
            Omission(
                aggregate=AggregateRef(*row.key),
                version=row.version,
                sequence=row.sequence,
                expected=Cid(row.cid),
                found=Cid(found) if found else None,
                stands_at=stands_at,
            )
        )

    async def _is_removed(self, row: HeadRow) -> bool:
        if self.removals is None:
            self.removals = await _confirmed(self.store, self.manifest, self.info)
        pattern = _pattern(self.store, row)
        return any(removal.covers(row.sequence) and overlaps(removal.pattern, pattern) for removal in self.removals)


async def _confirmed(store: Store, manifest: Manifest, info: StreamInfo) -> list[Removal]:
    """What limits and recorded runs removed from the stream that the manifest names, and from the one it was restored to."""
    named = f"{manifest.stream}@{manifest.created}"
    found = await removals_of(store.connection, {named})
    if named in stream_origins(info):
        found = await list_removals(store.connection, info)
    expired = await expired_of(store, info)
    return [
        *([expired] if expired and expired.operation == EXPIRED else []),
        *[removal for removal in found if await is_confirmed(store, removal)],
    ]


async def _look_up(store: Store, rows: Sequence[HeadRow]) -> dict[str, list[bytes]]:
    """The CIDs of what lies as the version that each row names, by aggregate."""
    try:
        messages = await last_of_each(store.connection, store.layout.stream, [_pattern(store, row) for row in rows])
    except TooManyMatches:
        if len(rows) > 1:
            middle = len(rows) // 2
            return await _look_up(store, rows[:middle]) | await _look_up(store, rows[middle:])
        messages = await _at(store, rows[0].sequence)
    except FeatureUnavailable:
        singly = [await get_last(store.connection, store.layout.stream, _pattern(store, row)) for row in rows]
        messages = [message for message in singly if message is not None]
    return _cids(store, messages)


async def _at(store: Store, sequence: int) -> list[Message]:
    try:
        return [await get_message(store.connection, store.layout.stream, sequence)]
    except EventNotFound:
        return []


def _cids(store: Store, messages: Sequence[Message]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for message in messages:
        parts = store.layout.parse(message.subject)
        if parts is not None:
            found.setdefault(f"{parts.context}.{parts.aggregate}.{parts.entity}", []).append(cid_of(message.data).raw)
    return found


async def _newest_version(store: Store, ref: AggregateRef) -> int:
    """The newest version of the aggregate that is there; 0 where there is none."""
    subjects = await subjects_matching(store.connection, store.layout.stream, store.layout.all_of(ref))
    return max((parts.version or 0 for subject in subjects if (parts := store.layout.parse(subject)) is not None), default=0)


def _pattern(store: Store, row: HeadRow) -> str:
    return store.layout.at_version(AggregateRef(*row.key), row.version)
