"""This module is the newest rows of one live tail, kept once for all browsers, and what each of them has still to be shown."""

from __future__ import annotations

import json

from .frames import TAIL_ROWS, Row, Rows

ENCODED_KEPT = 32


class Tail:
    """Everything that matches from `shown_from` to `last` is in `rows`; `total` counts what has passed, shown or skipped."""

    __slots__ = ("_encoded", "id", "last", "rows", "shown_from", "total")

    def __init__(self, frame: Rows) -> None:
        self.id = frame.id
        self.rows: list[Row] = []
        self.shown_from = frame.begin
        self.last = frame.begin - 1
        self.total = 0
        self._encoded: dict[int, str] = {}
        self.extend(frame)

    def extend(self, frame: Rows) -> bool:
        """Take in the next frame; False if it says nothing new. Sequences that fall back mean that the stream was made anew."""
        if frame.last == self.last:
            return False
        if frame.last < self.last:
            self.rows, self.shown_from, self.last = [], frame.begin, frame.begin - 1
        fresh = [row for row in frame.rows if row.sequence > self.last]
        skipped = max(0, frame.begin - max(frame.first, self.last + 1))
        self.total += len(fresh) + skipped if frame.count is None else frame.count
        if frame.begin > self.last + 1:
            self.rows, self.shown_from = fresh, frame.begin
        else:
            self.rows += fresh
        self.last = frame.last
        self._cut()
        self._encoded.clear()
        return True

    def after(self, position: int) -> str | None:
        """The frame, as JSON, for a browser that has come as far as `position`; None if it lacks nothing.

        `from` to `last` is shown completely; what lies between the browser's position and `from` is for it to link as skipped.
        """
        if position >= self.last:
            return None
        if position not in self._encoded and len(self._encoded) < ENCODED_KEPT:
            self._encoded[position] = self._encode(position)
        return self._encoded.get(position) or self._encode(position)

    def _encode(self, position: int) -> str:
        start = max(position + 1, self.shown_from)
        rows = [[row.sequence, row.html] for row in self.rows if row.sequence >= start]
        return json.dumps({"id": self.id, "from": start, "last": self.last, "rows": rows})

    def _cut(self) -> None:
        too_many = len(self.rows) - TAIL_ROWS
        if too_many > 0:
            self.shown_from = self.rows[too_many - 1].sequence + 1
            del self.rows[:too_many]
