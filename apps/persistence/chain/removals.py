"""This module is what operators removed from streams on purpose: a record for each run, which tells it from tampering.

A record lies in the bucket `cim-removals` under the id of its run and is written before anything is removed. The bucket alone proves
nothing: a record counts only if its run in CIM-CONSOLE agrees with it (see removal_runs.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from ..encoding import Cid, Value, cid_of, decode, encode
from ..errors import StreamNotFound
from ..events import format_time, parse_time
from ..store import Connection, StreamInfo, ensure_bucket, kv_all, kv_get, kv_put
from .gaps import MAX_RANGES, Range

REMOVALS_BUCKET = "cim-removals"
RESTORED_FROM = "cim-restored-from"
EXPIRED = "expired"
LOWERED = "lowered"
"""What no run removed: by limits of the stream, or by one that was lowered past the console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What one run removed. `created` is the stream's own time of creation: a later stream of that name is another one.

    `ranges` are exactly the sequences that went, in order; only where they lie in more than MAX_RANGES places one range spans them all,
    and `is_exact` is False. `pattern` is the subject filter, `>` for all.
    """

    run_id: str
    operation: str
    stream: str
    created: str
    pattern: str
    ranges: tuple[Range, ...]
    is_exact: bool
    count: int
    by: str
    reason: str
    at: datetime

    @property
    def cid(self) -> Cid:
        """What the run's receipt names."""
        return cid_of(self.to_block())

    def to_block(self) -> bytes:
        """The canonical bytes that are kept."""
        ranges: list[Value] = [bound for part in self.ranges for bound in part]
        return encode(
            {
                "run": self.run_id,
                "operation": self.operation,
                "stream": self.stream,
                "created": self.created,
                "pattern": self.pattern,
                "ranges": ranges,
                "exact": self.is_exact,
                "count": self.count,
                "by": self.by,
                "reason": self.reason,
                "at": format_time(self.at),
            }
        )

    def covers(self, sequence: int) -> bool:
        """Whether this removal may be why nothing lies at `sequence`."""
        return any(part.first <= sequence <= part.last for part in self.ranges)


def stream_key(info: StreamInfo) -> str:
    """What tells a stream from an earlier or later one of the same name."""
    return format_time(info.created) if info.created else ""


def restored_from(metadata: Mapping[str, str], stream: str, created: str) -> str:
    """What a stream that is restored from `stream` keeps in its metadata under RESTORED_FROM; `metadata` is that of the backup."""
    return f"{metadata.get(RESTORED_FROM, '')} {stream}@{created}".strip()


async def write_removal(connection: Connection, removal: Removal) -> None:
    """Keep a record; the same one again is harmless."""
    await ensure_bucket(connection, REMOVALS_BUCKET)
    await kv_put(connection, REMOVALS_BUCKET, removal.run_id, removal.to_block())


async def find_removal(connection: Connection, run_id: str) -> Removal | None:
    """The record of one run, or None."""
    try:
        entry = await kv_get(connection, REMOVALS_BUCKET, run_id)
    except StreamNotFound:
        return None
    return _read(entry.value) if entry else None


async def list_removals(connection: Connection, info: StreamInfo) -> list[Removal]:
    """The records of a stream, oldest first, as they stand in the bucket: see `removal_runs.confirmed_removals`."""
    return await removals_of(connection, stream_origins(info))


def stream_origins(info: StreamInfo) -> set[str]:
    """The stream itself, and those that it was restored from, each as `name@created`."""
    return {f"{info.name}@{stream_key(info)}", *(info.config.get("metadata") or {}).get(RESTORED_FROM, "").split()}


async def removals_of(connection: Connection, origins: Collection[str]) -> list[Removal]:
    """The records of streams that are given as `name@created`, oldest first, as they stand in the bucket."""
    try:
        entries = await kv_all(connection, REMOVALS_BUCKET)
    except StreamNotFound:
        return []
    found = [_read(entry.value) for entry in entries]
    return [removal for removal in found if f"{removal.stream}@{removal.created}" in origins]


def ranges_of(sequences: Sequence[int]) -> list[Range]:
    """Ascending sequences as ranges."""
    found: list[Range] = []
    for sequence in sequences:
        if found and found[-1].last == sequence - 1:
            found[-1] = Range(found[-1].first, sequence)
        else:
            found.append(Range(sequence, sequence))
    return found


def within_limit(ranges: Sequence[Range]) -> tuple[tuple[Range, ...], bool]:
    """The ranges as a record keeps them, and whether they are exact."""
    if len(ranges) <= MAX_RANGES:
        return tuple(ranges), True
    return (Range(ranges[0].first, ranges[-1].last),), False


def _read(block: bytes) -> Removal:
    value = cast("dict[str, Value]", decode(block))
    bounds = cast("list[int]", value["ranges"])
    return Removal(
        run_id=cast(str, value["run"]),
        operation=cast(str, value["operation"]),
        stream=cast(str, value["stream"]),
        created=cast(str, value["created"]),
        pattern=cast(str, value["pattern"]),
        ranges=tuple(Range(first, last) for first, last in zip(bounds[::2], bounds[1::2], strict=True)),
        is_exact=cast(bool, value["exact"]),
        count=cast(int, value["count"]),
        by=cast(str, value["by"]),
        reason=cast(str, value["reason"]),
        at=parse_time(cast(str, value["at"])),
    )
