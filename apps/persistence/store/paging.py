"""This module is pages of a stream, both ways, as a person turns them: by sequence, with what is missing between the rows named."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from .connection import Connection
from .message import Message
from .read import Batch, read_batch
from .streams import StreamInfo

FIRST_WINDOW = 500
WIDER = 4
MARGIN, SLACK, FEW = 1.5, 1.02, 5
WIDTHS_KEPT = 512
MAX_SCANNED = 200_000
"""How far back one request looks for messages that match before it says how far it came."""
MAX_SECONDS = 2.0
"""And how long."""


_Place = tuple[str, datetime | None, str, int]
_widths: OrderedDict[_Place, int] = OrderedDict()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPage:
    """Some messages, oldest first. `scanned_from` to `scanned_to` is the range that was looked at for them, both included.

    `is_complete` is False where the search stopped before it had a full page and before the stream's end: go on from there.
    """

    messages: tuple[Message, ...]
    scanned_from: int
    scanned_to: int
    is_complete: bool = True


async def page_forward(connection: Connection, stream: StreamInfo, *, from_sequence: int, limit: int, pattern: str = ">") -> StreamPage:
    """The first `limit` messages at or after `from_sequence` that match `pattern`."""
    first = max(from_sequence, stream.first_sequence, 1)
    batch = await read_batch(connection, stream.name, from_sequence=first, limit=limit, pattern=pattern)
    is_end = not batch.messages or len(batch.messages) < limit
    last = max(stream.last_sequence, first) if is_end else batch.messages[-1].sequence
    return StreamPage(messages=batch.messages, scanned_from=first, scanned_to=last)


async def page_back(
    connection: Connection,
    stream: StreamInfo,
    *,
    before_sequence: int,
    limit: int,
    pattern: str = ">",
    max_scanned: int = MAX_SCANNED,
) -> StreamPage:
    """The last `limit` messages before `before_sequence` that match `pattern`.

    Looks down in windows that widen while they hold too few. Where one holds too many, the next begins where the server's own count of
    the matches says that the page should begin; a few requests whatever the gaps. A filter stops the search after `max_scanned`
    sequences or MAX_SECONDS.
    """
    top, bottom = min(before_sequence - 1, stream.last_sequence), max(stream.first_sequence, 1)
    found: list[Message] = []
    place = (stream.name, stream.created, pattern, limit) if before_sequence > stream.last_sequence else None
    window = _widths.get(place, 0) if place else 0
    window = max(window, limit if pattern == ">" else max(limit, FIRST_WINDOW))
    search = _Search(bottom=bottom, end=top, window=window, above=0 if place else None)
    deadline = time.monotonic() + MAX_SECONDS
    while search.end >= bottom and len(found) < limit:
        if pattern != ">" and (top - search.end >= max_scanned or time.monotonic() > deadline):
            break
        wanted = limit - len(found)
        inside = await _read_window(connection, stream.name, search, limit, wanted, pattern)
        if inside is not None:
            found = inside[-wanted:] + found
    scanned_from = found[0].sequence if len(found) == limit else search.end + 1
    if place and len(found) == limit:
        _keep_width(place, top - scanned_from + 1)
    is_complete = len(found) == limit or search.end < bottom
    return StreamPage(messages=tuple(found), scanned_from=scanned_from, scanned_to=top, is_complete=is_complete)


def _keep_width(place: _Place, width: int) -> None:
    """Remember how wide a newest page was: the next look at it begins there. It decides only how much is read, never what is found."""
    _widths[place] = round(width * SLACK) + FEW
    _widths.move_to_end(place)
    if len(_widths) > WIDTHS_KEPT:
        _widths.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crowd:
    """A place from which on there are too many matches: how many to the stream's end, and how dense they lie at first."""

    start: int
    onward: int
    density: float


@dataclass(slots=True, kw_only=True)
class _Search:
    """Where to look next: the `window` sequences up to `end`. `above` counts the matches after `end`, once that is known.

    What is estimated decides only how much is read; what was found is always everything between two ends.
    """

    bottom: int
    end: int
    window: int
    above: int | None = None
    crowd: _Crowd | None = None

    @property
    def start(self) -> int:
        return max(self.bottom, self.end - self.window + 1)

    def go_below(self, inside: int, onward: int, wanted: int) -> None:
        """The window was read as a whole and held `inside` matches; `wanted` more are due."""
        seen, self.end, self.above = self.end - self.start + 1, self.start - 1, onward
        if self.crowd is not None and self.crowd.start <= self.end:
            far = 3 * (self.end - self.crowd.start + 1) // 4 + 1
            near = max(self._to_begin_of(self.crowd, wanted), round(seen * wanted / inside)) if inside else seen * WIDER
            self.window = min(far, near)
        elif inside:
            self.window = min(seen * WIDER, round(MARGIN * seen * wanted / inside) + 1)
        else:
            self.window = seen * WIDER

    def narrow(self, batch: Batch, wanted: int) -> None:
        """The window holds more than was read."""
        span, width = batch.messages[-1].sequence - self.start + 1, self.end - self.start + 1
        most = width - 1 if self.crowd is None else width - max(1, width // 4)
        self.crowd = _Crowd(start=self.start, onward=len(batch.messages) + batch.pending, density=len(batch.messages) / span)
        self.window = min(self._to_begin_of(self.crowd, wanted), most)

    def _to_begin_of(self, crowd: _Crowd, wanted: int) -> int:
        """How wide a window must be to hold somewhat more than `wanted` matches, by what is known of the crowd."""
        aim = MARGIN * wanted + FEW
        if self.above is None or crowd.onward <= self.above:
            return round(aim / crowd.density) + 1
        matches = crowd.onward - self.above
        skipped = max(0.0, matches - aim)
        width = self.end - crowd.start + 1
        begin = skipped / crowd.density
        if begin > width - wanted:  # they lie less dense further on
            begin = width * skipped / matches
        return max(wanted, round(width - begin))


async def _read_window(connection: Connection, stream: str, search: _Search, limit: int, wanted: int, pattern: str) -> list[Message] | None:
    """Everything that matches in the window, which is then done with; None where there is too much of it, so that the next is narrower."""
    start, end = search.start, search.end
    at_most = min(2 * (limit + FEW), end - start + 1)
    batch = await read_batch(connection, stream, from_sequence=start, limit=at_most, pattern=pattern)
    inside = [message for message in batch.messages if message.sequence <= end]
    is_cut = bool(batch.messages) and batch.pending > 0 and batch.messages[-1].sequence < end
    if is_cut:
        search.narrow(batch, wanted)
        return None
    search.go_below(len(inside), len(batch.messages) + batch.pending, wanted - len(inside))
    return inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A range of sequences that the stream no longer holds, both ends included."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """How many sequences are missing."""
        return self.last - self.first + 1


def gaps_between(messages: tuple[Message, ...], *, scanned_from: int, scanned_to: int) -> list[Gap]:
    """What is missing in an unfiltered range, in order; between its ends and the messages too."""
    gaps: list[Gap] = []
    expected = scanned_from
    for message in messages:
        if message.sequence > expected:
            gaps.append(Gap(first=expected, last=message.sequence - 1))
        expected = message.sequence + 1
    if expected <= scanned_to:
        gaps.append(Gap(first=expected, last=scanned_to))
    return gaps
