"""This module is the published checkpoints of a stream for a page: who signed and saw each, and whether the kept log still leads to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from apps.persistence.errors import InvalidInput, InvalidProof, StreamNotFound
from apps.persistence.log.checkpoints import SignedCheckpoint
from apps.persistence.log.coverage import Coverage
from apps.persistence.log.kept import read_tiles
from apps.persistence.log.published import CHECKPOINTS_KEPT, Published, open_published, published_before
from apps.persistence.log.spans import Span
from apps.persistence.log.tiles import TileId, root_of, tiles_of_spans
from apps.persistence.store import Store, get_stream

SHOWN = 8
RENEWED_AFTER_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckpoint:
    """One checkpoint. `standing` is `holds`, `other_root`, `ahead`, `not_kept` or `refused`, and `reason` says what is wrong.

    `at` is when it was last published; `since` when it first was, as an idle log is signed again from time to time.
    """

    size: int
    root: str
    at: datetime
    since: datetime
    signed: SignedCheckpoint | None
    standing: str
    reason: str

    @property
    def was_renewed(self) -> bool:
        """Whether it was published again later, not only once more with a witness's signature."""
        return (self.at - self.since).total_seconds() > RENEWED_AFTER_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Newest first. `shown` are those at once, `more` the older ones; the server keeps the last `kept` notes."""

    all: tuple[KeptCheckpoint, ...] = ()

    @property
    def shown(self) -> tuple[KeptCheckpoint, ...]:
        return self.all[:SHOWN]

    @property
    def more(self) -> tuple[KeptCheckpoint, ...]:
        return self.all[SHOWN:]

    @property
    def kept(self) -> int:
        return CHECKPOINTS_KEPT

    @property
    def holding(self) -> int:
        return sum(one.standing == "holds" for one in self.all)

    @property
    def contradicting(self) -> int:
        """How many that the log's key signed do not fit what is here; what anybody could put there contradicts nothing."""
        return sum(one.standing in ("other_root", "ahead") for one in self.all)

    @property
    def not_counting(self) -> int:
        """How many are no checkpoints that a known key signed."""
        return sum(one.standing == "refused" for one in self.all)

    def first_over(self, sequence: int) -> KeptCheckpoint | None:
        """The oldest one that is kept here, holds, and covers this sequence."""
        return next((one for one in reversed(self.all) if one.standing == "holds" and one.size >= sequence), None)


async def read_checkpoints(store: Store, coverage: Coverage) -> Checkpoints:
    """Every published checkpoint that is still kept, each size once."""
    published = await published_before(store.connection, coverage.stream)
    opened = [(one, *_open(one, coverage)) for one in published]
    sizes = {signed.checkpoint.size for _, signed, _ in opened if signed is not None}
    coverage = await _not_older(store, coverage, max(sizes, default=0))
    wanted = {tile for size in sizes for tile in tiles_of_spans([Span(0, size)]) if size}
    tiles = await read_tiles(store.connection, coverage.stream, wanted)
    found: dict[object, KeptCheckpoint] = {}
    for one, signed, problem in opened:
        key = (signed.checkpoint.size, signed.checkpoint.root) if signed else one.revision
        again = found.get(key)
        found[key] = replace(again, since=one.at) if again else _judged(one, signed, problem, tiles, coverage)
    return Checkpoints(all=tuple(found.values()))


async def _not_older(store: Store, coverage: Coverage, size: int) -> Coverage:
    """The coverage with the end that the stream has by now, where a checkpoint was read that is newer than it."""
    if size <= coverage.last:
        return coverage
    try:
        last = (await get_stream(store.connection, coverage.stream)).last_sequence
    except StreamNotFound:
        last = 0
    return replace(coverage, last=last)


def _open(one: Published, coverage: Coverage) -> tuple[SignedCheckpoint | None, str]:
    if coverage.keys is None:
        return None, coverage.problem or "The keys of the log are not published, so no signature can be checked."
    try:
        return open_published(one, coverage.keys), ""
    except InvalidInput as error:
        return None, str(error)


def _judged(
    one: Published, signed: SignedCheckpoint | None, problem: str, tiles: Mapping[TileId, bytes], coverage: Coverage
) -> KeptCheckpoint:
    standing, reason = ("refused", problem) if signed is None else _standing(signed, tiles, coverage)
    return KeptCheckpoint(
        size=signed.checkpoint.size if signed else 0,
        root=signed.checkpoint.root.hex() if signed else "",
        at=one.at,
        since=one.at,
        signed=signed,
        standing=standing,
        reason=reason,
    )


def _standing(signed: SignedCheckpoint, tiles: Mapping[TileId, bytes], coverage: Coverage) -> tuple[str, str]:
    size, root = signed.checkpoint.size, signed.checkpoint.root
    if size > coverage.last:
        return "ahead", f"It covers {size:,} events, and the stream ends at {coverage.last:,}: its tail was cut, or it was set back."
    try:
        made = root_of(tiles, size)
    except InvalidProof:
        return "not_kept", (
            f"It cannot be compared now, as the kept log lacks tiles of these {size:,} events. A worker logs what is gone again within "
            "seconds; check-log with mend writes damaged tiles anew."
        )
    if made != root:
        return "other_root", f"The kept log of {size:,} events has the root {made.hex()}, and this was signed."
    return "holds", ""
