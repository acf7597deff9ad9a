"""This module is what a verification of streams has to read: of each, from the last mark or from the beginning, to where it ends now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from ..chain import Mark, known_mark
from ..encoding import Value
from ..errors import InvalidInput, InvalidProof, StreamNotFound
from ..log.coverage import read_coverage
from ..log.kept import root_at
from ..projections.builtin import list_aggregate_types
from ..registry import Registry
from ..store import Store, StreamInfo, chained_generations, find_layout, get_stream
from ..work.vouching import vouch


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The sequences of a stream that are read. `mark` is what was verified before; `doubt` says why all is read although there is one.

    `created` is when the server made the stream.
    """

    stream: str
    first: int
    last: int
    mark: Mark | None = None
    doubt: str = ""
    created: datetime | None = None

    @property
    def size(self) -> int:
        return max(0, self.last - self.first + 1)

    @property
    def is_cut(self) -> bool:
        """Whether the stream ends before what was verified once."""
        return self.mark is not None and self.last < self.mark.sequence

    @property
    def has_new(self) -> bool:
        """Whether reading it can say anything that is not known."""
        return self.size > 0 or self.is_cut

    @property
    def known(self) -> str:
        """What was found before, in words; of a stream in which nothing is new."""
        mark = self.mark
        if mark is None:
            return f"{self.stream} holds no event yet"
        found = "intact" if mark.intact else f"{mark.findings:,} finding{'' if mark.findings == 1 else 's'}"
        when = f"{mark.at:%Y-%m-%d at %H:%M} UTC"
        return f"Nothing is new in {self.stream} since sequence {mark.sequence:,}, to where {mark.by} verified it on {when}: {found}"

    def to_value(self) -> Value:
        return [self.stream, self.first, self.last]

    @classmethod
    def from_value(cls, value: Value) -> Extent:
        """As the checkpoint of an attempt or a part kept it, without the mark."""
        stream, first, last, *_ = cast("tuple[str, int, int]", tuple(cast("list[Value]", value)))
        return cls(stream=stream, first=first, last=last)


async def chained_streams(store: Store, registry: Registry) -> Sequence[str]:
    """The streams that hold chains, in every generation."""
    return list(dict.fromkeys(layout.stream for layout in chained_generations(store.connection, registry.layouts)))


async def known_types(store: Store, registry: Registry) -> Sequence[str]:
    """Every type of which there is an aggregate or a declaration, as context.type."""
    stored = {f"{found.context}.{found.type}" for found in await list_aggregate_types(store.connection)}
    return sorted(stored | {".".join(key) for key in registry.aggregates})


def on_stream(store: Store, registry: Registry, stream: str) -> Store:
    """The store on a stream that holds chains. Raises InvalidInput for any other."""
    found = find_layout((layout for layout in registry.layouts if layout.is_chained), stream)
    if found is None:
        known = ", ".join(layout.stream for layout in chained_generations(store.connection, registry.layouts))
        raise InvalidInput(f"{stream[:80]} holds no chains that this console knows of; those with chains are {known}.")
    return store.on(found)


async def find_extent(store: Store, registry: Registry, stream: str, *, full: bool) -> Extent:
    """What is to be read of one stream. Raises InvalidInput, StreamNotFound."""
    chained = on_stream(store, registry, stream)
    info = await get_stream(chained.connection, stream)
    known = await known_mark(chained, stream)
    mark, doubt = known.mark, known.doubt
    if mark is not None and not full:
        doubt = await _doubt(chained, registry, info, mark)
    first = 1 if full or mark is None or doubt else mark.sequence + 1
    return Extent(stream=stream, first=first, last=info.last_sequence, mark=mark, doubt=doubt, created=info.created)


async def _doubt(chained: Store, registry: Registry, info: StreamInfo, mark: Mark) -> str:
    """Why what was verified before is not relied on, as a sentence; empty where nothing speaks against it."""
    stream, connection = info.name, chained.connection
    if not mark.is_of(info.created):
        return f"{stream} was made anew after it was verified to {mark.sequence:,}"
    if info.last_sequence < mark.sequence:
        return f"{stream} ends at sequence {info.last_sequence:,}, and was once verified to {mark.sequence:,}"
    if not mark.intact:
        return ""
    if (await vouch(chained, chained.layout)).why_not:
        return f"The operator trail does not vouch for {stream}"
    contradiction = (await read_coverage(connection, stream, registry.trust)).contradiction
    if contradiction:
        return f"Of the log of {stream} is said: {contradiction}"
    if mark.root is None:
        return ""
    try:
        kept = await root_at(connection, stream, mark.sequence)
    except InvalidProof:
        return ""
    return "" if kept == mark.root else f"The log of {stream} has another root at sequence {mark.sequence:,} than when that was verified"


async def find_extents(store: Store, registry: Registry, stream: str | None, *, full: bool) -> list[Extent]:
    """What is to be read of one stream, or of every stream that there is."""
    if stream is not None:
        return [await find_extent(store, registry, stream, full=full)]
    found = []
    for name in await chained_streams(store, registry):
        try:
            found.append(await find_extent(store, registry, name, full=full))
        except StreamNotFound:
            continue
    return found


def check_new(extents: Sequence[Extent]) -> None:
    """Raises InvalidInput where nothing is there to be read, saying what was found before."""
    if any(extent.has_new for extent in extents):
        return
    if len(extents) == 1:
        again = "; set full to verify all of it again" if extents[0].mark else ", so there is nothing to verify"
        raise InvalidInput(f"{extents[0].known}{again}.")
    raise InvalidInput(f"{'. '.join(extent.known for extent in extents)}. Set full to verify all of it again.")
