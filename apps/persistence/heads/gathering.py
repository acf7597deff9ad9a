"""This module is gathering the heads of a stream: every message is read once, and of each aggregate the newest version is kept.

The heads lie in a temporary SQLite file, so memory is bounded however many aggregates there are. What is named is what lies under an
aggregate's subjects; whether it is intact is for a verification to say.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from blake3 import blake3

from ..encoding.cid import OUR_PREFIX
from ..store import Message, Store, open_reader
from .manifest import HeadRow

MAX_WAITING = 10_000
CACHE_KIB = 65_536
"""So much of the temporary file lies in memory."""
_COLUMNS = "context TEXT, type TEXT, id TEXT, version INT, cid BLOB, sequence INT"
_PUT = (
    "INSERT INTO head VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
    " SET version = excluded.version, cid = excluded.cid, sequence = excluded.sequence WHERE excluded.version > version"
)

OnRead = Callable[[int], Awaitable[None]]


class HeadTable:
    """Heads by aggregate, in order of their names; use it in a `with` block, which removes the temporary file."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._waiting: dict[tuple[str, str, str], tuple[int, bytes, int]] = {}
        self._limit = max_waiting
        self._database = sqlite3.connect("", isolation_level=None)  # the empty name is a private file that SQLite itself removes
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._database.execute(f"CREATE TABLE head ({_COLUMNS}, PRIMARY KEY (context, type, id)) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._database.close()

    def meet(self, key: tuple[str, str, str], version: int, data: bytes, sequence: int) -> None:
        """Take note of a stored event; the newest version counts, and of the same version the one that was first."""
        before = self._waiting.get(key)
        if before is None or version > before[0]:
            self._waiting[key] = (version, data, sequence)
            if len(self._waiting) >= self._limit:
                self._flush()

    def put(self, rows: Iterable[HeadRow]) -> None:
        """Take heads that are known already."""
        self._write([(*row.key, row.version, row.cid, row.sequence) for row in rows])

    @property
    def count(self) -> int:
        self._flush()
        return int(self._database.execute("SELECT count(*) FROM head").fetchone()[0])

    def rows(self) -> Iterator[HeadRow]:
        """All heads, in order of context, type and id."""
        self._flush()
        for context, type_, id_, version, cid, sequence in self._database.execute("SELECT * FROM head ORDER BY context, type, id"):
            yield HeadRow((context, type_, id_), version, cid, sequence)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._write([(*key, version, OUR_PREFIX + blake3(data).digest(), place) for key, (version, data, place) in waiting.items()])

    def _write(self, rows: list[tuple[str, str, str, int, bytes, int]]) -> None:
        if rows:
            self._database.execute("BEGIN")
            self._database.executemany(_PUT, sorted(rows))
            self._database.execute("COMMIT")


async def gather(store: Store, table: HeadTable, *, first: int, last: int, on_read: OnRead) -> None:
    """Read the sequences `first` to `last` of the store's stream into the table. `on_read` hears of each batch how far it is.

    Raises StreamNotFound, ContinuityLost, Unavailable.
    """
    async with open_reader(store.connection, store.layout.stream, from_sequence=first, to_sequence=last) as reader:
        async for messages in reader:
            _meet_all(store, table, messages)
            await on_read(messages[-1].sequence)


def _meet_all(store: Store, table: HeadTable, messages: Sequence[Message]) -> None:
    parse = store.layout.parse
    for message in messages:
        parts = parse(message.subject)
        if parts is not None and parts.version is not None:
            table.meet((parts.context, parts.aggregate, parts.entity), parts.version, message.data, message.sequence)
