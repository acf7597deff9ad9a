"""This module is the own database of a signer or a witness: what it signed last of each log, changed only from exactly what it was.

It is a small SQLite file beside the key, not on the server whose history is signed. Whoever has it open holds its lock, so there is one.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import Conflict, HistoryRewritten, InvalidInput
from .checkpoints import Checkpoint
from .frontier import Frontier
from .hashes import EMPTY_ROOT

_TABLES = """
CREATE TABLE IF NOT EXISTS signed (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, edge BLOB NOT NULL, note BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS keys (number INTEGER PRIMARY KEY, vkey TEXT NOT NULL, rotation BLOB) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What was signed last of one log: size, root, the edge from which the tree goes on, and the note; nothing was, at size 0."""

    origin: str
    size: int = 0
    root: bytes = EMPTY_ROOT
    edge: bytes = b""
    note: bytes = b""

    def frontier(self) -> Frontier:
        """The tree that was signed, to go on with. Raises InvalidInput where the database was damaged."""
        tree = Frontier(self.size, self.edge)
        if tree.root() != self.root:
            raise InvalidInput(f"The signer's database is damaged: the edge of {self.origin} does not have the root that was signed.")
        return tree


class SignedDatabase:
    """The open database, in `folder`, for one thread at a time. Every change is on the disk before the call returns."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection = connection
        self.folder = folder

    def last(self, origin: str) -> Signed:
        """What was signed last of a log."""
        row = self._connection.execute("SELECT size, root, edge, note FROM signed WHERE origin = ?", (origin,)).fetchone()
        return Signed(origin=origin, size=row[0], root=row[1], edge=row[2], note=row[3]) if row else Signed(origin=origin)

    def checkpoints(self) -> list[Checkpoint]:
        """The last one of each log that was signed, by name."""
        rows = self._connection.execute("SELECT origin, size, root FROM signed ORDER BY origin")
        return [Checkpoint(origin=row[0], size=row[1], root=row[2]) for row in rows]

    def advance(self, before: Signed, after: Signed) -> None:
        """Put `after` in the place of exactly `before`. Raises HistoryRewritten where the database holds something else by now."""
        with self._connection:
            if before.size == 0:
                statement = "INSERT INTO signed VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
                done = self._connection.execute(statement, (after.origin, after.size, after.root, after.edge, after.note))
            else:
                statement = "UPDATE signed SET size = ?, root = ?, edge = ?, note = ? WHERE origin = ? AND size = ? AND root = ?"
                values = (after.size, after.root, after.edge, after.note, before.origin, before.size, before.root)
                done = self._connection.execute(statement, values)
        if done.rowcount != 1 or after.size < before.size:
            raise HistoryRewritten(f"{before.origin} is not at size {before.size:,} in the database any more; nothing was signed.")

    def vkeys(self) -> list[tuple[str, bytes]]:
        """Each vkey that ever signed, oldest first, with the note by which it followed the one before it (none for the first)."""
        return [(row[0], row[1] or b"") for row in self._connection.execute("SELECT vkey, rotation FROM keys ORDER BY number")]

    def add_key(self, vkey: str, rotation: bytes) -> None:
        """Note that this key signs from now on."""
        with self._connection:
            self._connection.execute("INSERT INTO keys (vkey, rotation) VALUES (?, ?)", (vkey, rotation or None))


@contextmanager
def open_signed_database(path: Path) -> Iterator[SignedDatabase]:
    """The database for as long as the block lasts, made where it is missing. Raises Conflict where another signer has it open."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Another process has {path} open; two never sign at once. Stop that one first.") from None
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        try:
            with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(_TABLES)
                yield SignedDatabase(connection, path.parent)
        except sqlite3.DatabaseError as error:
            raise InvalidInput(f"The signer's database {path} cannot be used: {error}. Bring its newest copy back.") from error
