"""This module is the newest event of every aggregate that a verification has met, kept in bounded memory however many there are.

Two generations lie in memory; when the younger is full, what was not touched since moves to a temporary SQLite file.
"""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import NamedTuple, Self

from ..encoding.cid import OUR_LENGTH

MAX_IN_MEMORY = 100_000
NO_FINDING = -1


class Tip(NamedTuple):
    """The newest event of one aggregate so far: its version, its sequence, and the CID that the next event must link to.

    `cids` is one raw CID, or several in a row where it is in doubt which of them the next event means. `is_open` says that nothing can
    be asked of the next link, as what stood here cannot be read. `finding` is the place of the finding about this event.
    """

    version: int
    sequence: int
    cids: bytes
    is_named: bool = True
    is_open: bool = False
    finding: int = NO_FINDING

    @property
    def choices(self) -> list[bytes]:
        """Each of `cids`."""
        return [self.cids[start : start + OUR_LENGTH] for start in range(0, len(self.cids), OUR_LENGTH)]


class Tips:
    """Tips by aggregate name; use it in a `with` block, which removes the temporary file."""

    def __init__(self, max_in_memory: int = MAX_IN_MEMORY) -> None:
        self._young: dict[str, Tip] = {}
        self._old: dict[str, Tip] = {}
        self._limit = max(1, max_in_memory // 2)
        self._spill: sqlite3.Connection | None = None

    def get(self, key: str) -> Tip | None:
        tip = self._young.get(key) or self._old.get(key)
        if tip is not None or self._spill is None:
            return tip
        row = self._spill.execute("SELECT version, sequence, cids, named, open, finding FROM tip WHERE key = ?", (key,)).fetchone()
        return Tip(row[0], row[1], row[2], bool(row[3]), bool(row[4]), row[5]) if row else None

    def put(self, key: str, tip: Tip) -> None:
        self._young[key] = tip
        if len(self._young) >= self._limit:
            self._age()

    def count_after(self, sequence: int) -> int:
        """How many aggregates have their newest event behind a sequence."""
        count = sum(1 for tip in self._young.values() if tip.sequence > sequence)
        count += sum(1 for key, tip in self._old.items() if tip.sequence > sequence and key not in self._young)
        if self._spill is None:
            return count
        spilled = self._spill.execute("SELECT key FROM tip WHERE sequence > ?", (sequence,))
        return count + sum(1 for (key,) in spilled if key not in self._young and key not in self._old)

    @property
    def in_memory(self) -> int:
        """How many tips lie in memory; at most the limit, give or take one."""
        return len(self._young) + len(self._old)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._spill is not None:
            self._spill.close()

    def _age(self) -> None:
        if self._old:
            self._write([(key, *tip) for key, tip in self._old.items() if key not in self._young])
        self._old, self._young = self._young, {}

    def _write(self, rows: list[tuple[str, int, int, bytes, bool, bool, int]]) -> None:
        if self._spill is None:
            self._spill = sqlite3.connect("", isolation_level=None)  # the empty name is a private file that SQLite itself removes
            self._spill.execute("PRAGMA journal_mode = OFF")
            self._spill.execute("PRAGMA synchronous = OFF")
            self._spill.execute(
                "CREATE TABLE tip (key TEXT PRIMARY KEY, version INT, sequence INT, cids BLOB, named INT, open INT, finding INT)"
                " WITHOUT ROWID"
            )
        self._spill.execute("BEGIN")
        self._spill.executemany("INSERT OR REPLACE INTO tip VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._spill.execute("COMMIT")
