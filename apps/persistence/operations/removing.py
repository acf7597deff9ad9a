"""This module is removing messages so that everybody can tell later: first the record of what goes, then the removal, then the receipt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..chain.gaps import Range
from ..chain.removal_runs import REMOVING
from ..chain.removals import Removal, find_removal, stream_key, within_limit, write_removal
from ..encoding import Value
from ..errors import InvalidInput
from ..events import now
from ..registry import Registry
from ..store import Store, StreamInfo
from ..work.operation import Progress
from .protection import is_chained

Find = Callable[[], Awaitable[Sequence[Range]]]


async def record(
    store: Store, registry: Registry, info: StreamInfo, progress: Progress, *, operation: str, pattern: str, find: Find
) -> Removal | None:
    """The record of this run, written before anything goes; that of an earlier attempt if there is one. None where nothing would go.

    Raises InvalidInput where the stream holds chains and the messages lie in too many places to be named one by one.
    """
    if operation not in REMOVING:
        raise ValueError(f"{operation} is no operation that removes; chain/removal_runs.py lists those that may.")
    before = await find_removal(store.connection, progress.run_id)
    if before is not None:
        return before
    ranges = await find()
    if not ranges:
        return None
    kept, is_exact = within_limit(ranges)
    if not is_exact and is_chained(registry, info.name):
        raise InvalidInput(
            f"What would go lies in {len(ranges):,} places of {info.name}, too many to be named for a later verification; "
            "remove it in parts, by narrower subjects or up to an earlier sequence."
        )
    removal = Removal(
        run_id=progress.run_id,
        operation=operation,
        stream=info.name,
        created=stream_key(info),
        pattern=pattern,
        ranges=kept,
        is_exact=is_exact,
        count=sum(part.size for part in ranges),
        by=progress.requested_by,
        reason=progress.reason,
        at=now(),
    )
    await write_removal(store.connection, removal)
    return removal


def receipt_of(removal: Removal) -> dict[str, Value]:
    """What the run's receipt keeps of a removal; `record` is the CID by which verification trusts the record."""
    return {
        "events": removal.count,
        "from": removal.ranges[0].first,
        "to": removal.ranges[-1].last,
        "subjects": removal.pattern,
        "record": str(removal.cid),
    }
