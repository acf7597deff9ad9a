"""This module is bringing in the events of a file: all of them are checked before the first is stored; then they are appended in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..errors import BlockConflict, InvalidInput
from ..store import Store, append_blocks
from .admission import Admission
from .incoming import read_batches
from .reading import ByteReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """How far it is: events read, of which so many are (or would be) stored and so many were there already; bytes of the file read."""

    events: int = 0
    stored: int = 0
    already: int = 0
    offset: int = 0


OnBrought = Callable[[Brought], Awaitable[None]]


async def check_events(reader: ByteReader, target: Store, on_batch: OnBrought, *, is_new: bool = False) -> Brought:
    """Check every event of a file; nothing is stored. `is_new`: the stream does not exist yet.

    Raises InvalidInput naming the first event that does not fit, and where it stands.
    """
    admission, so_far = Admission(target, is_new=is_new), Brought()
    async for batch in read_batches(reader):
        found = await admission.check(batch)
        so_far = Brought(
            events=so_far.events + len(batch),
            stored=so_far.stored + found.stored,
            already=so_far.already + found.already,
            offset=reader.offset,
        )
        await on_batch(so_far)
    if not so_far.events:
        raise InvalidInput("The file holds no event.")
    return so_far


async def append_events(reader: ByteReader, target: Store, on_batch: OnBrought, *, begin: Brought) -> Brought:
    """Append the checked events of a file that come after `begin`. Raises InvalidInput where somebody else has stored others meanwhile."""
    so_far, passed = begin, 0
    async for batch in read_batches(reader):
        passed += len(batch)
        if passed <= begin.events:
            continue
        try:
            done = await append_blocks(target, [event for _, event in batch])
        except BlockConflict as conflict:
            raise InvalidInput(f"{so_far.stored:,} events were stored, then somebody else was faster: {conflict}") from conflict
        so_far = Brought(events=passed, stored=so_far.stored + done.stored, already=so_far.already + done.already, offset=reader.offset)
        await on_batch(so_far)
    return so_far
