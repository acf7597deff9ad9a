"""This module is what an archive proves: its range was verified, and this is what its events come to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..chain import Progress as ChainProgress
from ..chain import Verdict, verify_stream
from ..encoding import Value, cid_of
from ..errors import InvalidInput
from ..events import format_time
from ..store import Store, open_reader
from ..transfer import Tally
from ..work.operation import Progress


async def verified(chained: Store, first: int, last: int, progress: Progress, *, whole: int) -> Verdict:
    """Raises InvalidInput where the range is not intact, or not all of it is there."""

    async def on_progress(at: ChainProgress) -> None:
        await progress.report(at.checked, whole, sequence=at.sequence)

    verdict = await verify_stream(chained, from_sequence=first, to_sequence=last, on_progress=on_progress)
    stream = chained.layout.stream
    if not verdict.intact:
        reason = verdict.findings[0].explanation if verdict.findings else "see its verification"
        raise InvalidInput(
            f"{stream} is not intact up to {last:,}, so it is not archived: {verdict.finding_count:,} findings, the first: {reason}"
        )
    if verdict.removed or verdict.checked != last - first + 1:
        raise InvalidInput(
            f"Events of {stream} up to {last:,} were removed, so no archive of them can be whole; export what is left instead."
        )
    progress.log(f"all {verdict.checked:,} events of {verdict.aggregates:,} aggregates are intact")
    return verdict


async def tally_of(chained: Store, first: int, last: int, on_batch: Callable[[int], Awaitable[None]]) -> Tally:
    """What the events of a range come to; `on_batch` hears how many were read."""
    tally = Tally()
    async with open_reader(chained.connection, chained.layout.stream, from_sequence=first, to_sequence=last) as reader:
        async for messages in reader:
            for message in messages:
                parts = chained.layout.parse(message.subject)
                name = f"{parts.context}.{parts.aggregate}.{parts.entity}" if parts else message.subject
                tally.add(name, (parts.version if parts else None) or 0, cid_of(message.data))
            await on_batch(tally.events)
    return tally


def proof_of(verdict: Verdict) -> dict[str, Value]:
    return {
        "checked": verdict.checked,
        "aggregates": verdict.aggregates,
        "from": verdict.from_sequence,
        "to": verdict.to_sequence,
        "findings": verdict.finding_count,
        "at": format_time(verdict.started),
        "proves": list(verdict.proves),
        "does_not_prove": list(verdict.does_not_prove),
    }
