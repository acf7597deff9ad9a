"""This module is what is taken out of a stream: a range of sequences, and the subjects within it."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidInput
from ..events import AggregateRef
from ..store import Connection, Store, StreamInfo, get_stream, subjects_matching

COUNTED_SUBJECTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The messages of `stream` from `first` to `last` whose subjects match `pattern`."""

    stream: str
    first: int
    last: int
    pattern: str

    @property
    def patterns(self) -> tuple[str, ...]:
        """As a reader takes them."""
        return () if self.pattern == ">" else (self.pattern,)

    @property
    def words(self) -> str:
        """In words."""
        which = "" if self.pattern == ">" else f", {self.pattern}"
        return f"{self.stream} {self.first:,} – {self.last:,}{which}"


async def select(store: Store, stream: str, *, first: int, last: int, subject: str, aggregate: str) -> Selection:
    """What is meant, with its end fixed at what the stream holds now. `last` 0 means that end.

    Raises StreamNotFound, and InvalidInput where nothing can be meant.
    """
    info = await get_stream(store.connection, stream)
    if subject and aggregate:
        raise InvalidInput("subject and aggregate exclude each other; an aggregate is a pattern of subjects already.")
    end = min(last or info.last_sequence, info.last_sequence)
    start = max(1, first, info.first_sequence)
    if not info.messages or start > end:
        raise InvalidInput(f"{stream} holds nothing from sequence {start:,} to {end:,}: {_held(info)}.")
    return Selection(stream=stream, first=start, last=end, pattern=_pattern(store, stream, subject, aggregate))


async def estimate(connection: Connection, selection: Selection) -> int:
    """At most so many messages; exact where the whole stream is selected and has no gaps."""
    span = selection.last - selection.first + 1
    if not selection.patterns:
        return span
    counts = await subjects_matching(connection, selection.stream, selection.pattern, limit=COUNTED_SUBJECTS)
    return min(span, sum(counts.values()))


def _pattern(store: Store, stream: str, subject: str, aggregate: str) -> str:
    if not aggregate:
        return subject or ">"
    known = store.on_stream(stream)
    if known is None:
        raise InvalidInput(f"No layout describes {stream}, so it has no aggregates; give a subject instead.")
    return known.layout.all_of(AggregateRef.parse(aggregate))


def _held(info: StreamInfo) -> str:
    return f"it has {info.first_sequence:,} to {info.last_sequence:,}" if info.messages else "it is empty"
