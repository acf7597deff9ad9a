"""This module is the local index: a SQLite file that holds the models of one bucket as the watch hands them on, and finds them by fields.

The file is a copy and nothing else: it says up to which revision it has come and goes on from there, and where it does not fit the bucket
(made anew, another schema, a damaged file) it is filled again. One process has it at a time. Reading and writing happen in threads.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from ..errors import Conflict, EncodingError, InvalidInput, UnknownModelSchema
from ..events import format_time, now, parse_time
from ..read_models import ReadModelStore, is_model_key
from ..store import KvEntry, StreamInfo, kv_keys
from ..subjects import matches
from .bounds import UNREADABLE, FieldIndex, definition_value
from .tables import FORMAT, TABLES, Access, IndexFigures
from .transaction import transaction

_WRITE = "INSERT OR REPLACE INTO models (key, revision, stored, updated, value) VALUES (?, ?, ?, ?, ?)"
_FIRST_KEY = "SELECT key FROM models WHERE key >= ? AND value IS NOT NULL ORDER BY key LIMIT 1"
_COUNT_TYPE = "SELECT COUNT(*) FROM (SELECT 1 FROM models WHERE key >= ? AND key < ? AND value IS NOT NULL LIMIT ?)"
_COLUMNS = "m.key, m.revision, m.stored, m.value"


class LocalIndex:
    """The index of one bucket in one file. Opened by `open`, closed by `close`; it is a listener of the bucket's watch."""

    def __init__(self, store: ReadModelStore, path: Path) -> None:
        self.position = 0
        self.resets = 0
        self.fields: dict[str, FieldIndex] = {}
        self._store = store
        self._path = path
        self._turn = asyncio.Lock()
        self._guard = threading.Lock()
        self._max_age = timedelta(0)
        self._checked = (-1, -1)
        self._lock: IO[str] | None = None
        self._file: sqlite3.Connection | None = None

    # -- opening ---------------------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take the file, made or made anew where it is damaged or of other schemas. Raises Conflict where another process has it."""
        await self._alone(self._open)

    async def _alone(self, step: Callable[..., None], *arguments: Any) -> None:
        """Run one step in a thread. What was begun is finished there, also where its caller is cancelled."""

        def run() -> None:
            with self._guard:
                step(*arguments)

        await asyncio.to_thread(run)

    async def close(self) -> None:
        """Let go of the file."""
        async with self._turn:
            await self._alone(self._close)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._path.with_name(f"{self._path.name}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise Conflict(f"{self._path.name} is used by another process; give each process an index file of its own.") from error
        try:
            self._read_facts()
        except (sqlite3.DatabaseError, ValueError, KeyError):
            self._begin_anew()

    def _read_facts(self) -> None:
        file = self._connect()
        facts = dict(file.execute("SELECT name, value FROM facts").fetchall())
        for name, text in file.execute("SELECT name, definition FROM indexes").fetchall():
            known = json.loads(text)
            self.fields[name] = FieldIndex(name=name, fields=tuple(known["fields"]), pattern=known["pattern"])
        if facts and facts["schemas"] != self._schemas():
            kept = list(self.fields.values())
            self._begin_anew()
            for index in kept:
                self._declare(index)
        else:
            self.position = int(facts.get("position", 0))

    def _begin_anew(self) -> None:
        self._disconnect()
        for name in (self._path, Path(f"{self._path}-wal"), Path(f"{self._path}-shm")):
            name.unlink(missing_ok=True)
        self.position, self.fields = 0, {}
        self._connect()

    def _connect(self) -> sqlite3.Connection:
        self._file = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        self._file.executescript(TABLES)
        return self._file

    def _disconnect(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _close(self) -> None:
        self._disconnect()
        if self._lock is not None:
            self._lock.close()

    def _schemas(self) -> str:
        versions = {name: schema.version for name, schema in self._store.schemas.items()}
        return json.dumps([FORMAT, self._store.bucket, versions, self._store.as_stored], sort_keys=True)

    # -- following -------------------------------------------------------------------------------------------------------------------

    async def on_bucket(self, info: StreamInfo) -> int:
        """Fit the file to the bucket as it is now, and say where to go on. Called by the watch."""
        self._max_age = timedelta(microseconds=int(info.config.get("max_age", 0)) // 1000)
        created = format_time(info.created) if info.created else ""
        async with self._turn:
            await self._alone(self._fit, created, info)
        if info.last_sequence == self.position and self._checked != (self.position, info.subject_count):
            await self._compare_keys(info)
        return self.position

    async def on_changes(self, entries: list[KvEntry]) -> None:
        """Take changes in. Called by the watch."""
        async with self._turn:
            await self._alone(self._apply, entries)
        self.position = entries[-1].revision

    def _fit(self, created: str, info: StreamInfo) -> None:
        file = self._in_use()
        known = file.execute("SELECT value FROM facts WHERE name = 'created'").fetchone()
        if known is None or known[0] != created or info.last_sequence < self.position:
            self.position, self.resets = 0, self.resets + 1
            with transaction(file):
                file.execute("DELETE FROM models")
                file.execute("DELETE FROM entries")
                facts = {"created": created, "position": "0", "schemas": self._schemas()}
                file.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())
            return
        gone = "revision < ?", (info.first_sequence if info.messages else info.last_sequence + 1,)
        if file.execute(f"SELECT 1 FROM models WHERE {gone[0]} LIMIT 1", gone[1]).fetchone():
            self._remove(*gone)

    async def _compare_keys(self, info: StreamInfo) -> None:
        """Where the file has another number of keys than the bucket, some went without a message: take out those that are gone."""
        async with self._turn:
            count = await asyncio.to_thread(lambda: self._in_use().execute("SELECT COUNT(*) FROM models").fetchone()[0])
            if count > info.subject_count:
                there = await kv_keys(self._store.connection, self._store.bucket, limit=info.subject_count + count)
                await self._alone(self._keep_only, there)
        self._checked = (self.position, info.subject_count)

    def _keep_only(self, keys: list[str]) -> None:
        file = self._in_use()
        file.execute("CREATE TEMP TABLE there (key TEXT PRIMARY KEY) WITHOUT ROWID")
        file.executemany("INSERT OR IGNORE INTO there VALUES (?)", ((key,) for key in keys))
        self._remove("key NOT IN (SELECT key FROM there)", ())
        file.execute("DROP TABLE there")

    def _remove(self, condition: str, parameters: tuple[Any, ...]) -> None:
        file = self._in_use()
        self.resets += 1
        with transaction(file):
            file.execute(f"DELETE FROM entries WHERE key IN (SELECT key FROM models WHERE {condition})", parameters)
            file.execute(f"DELETE FROM models WHERE {condition}", parameters)

    def _apply(self, entries: list[KvEntry]) -> None:
        file = self._in_use()
        newest = {entry.key: entry for entry in entries}
        with transaction(file):
            file.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in newest])
            for entry in newest.values():
                self._write(file, entry)
            file.execute("INSERT OR REPLACE INTO facts VALUES ('position', ?)", (str(entries[-1].revision),))

    def _write(self, file: sqlite3.Connection, entry: KvEntry) -> None:
        is_model = entry.operation == "put" and is_model_key(entry.key)
        updated, places = self._places(entry, self.fields.values()) if is_model else (None, [])
        file.execute(_WRITE, (entry.key, entry.revision, format_time(entry.time), updated, entry.value if is_model else None))
        file.executemany("INSERT INTO entries VALUES (?, ?, ?)", places)

    def _places(self, entry: KvEntry, indexes: Iterable[FieldIndex]) -> tuple[str | None, list[tuple[str, bytes, str]]]:
        """When the model was updated, and where it stands in each of `indexes`."""
        mine = [index for index in indexes if matches(index.pattern, entry.key)]
        try:
            stored = self._store.read(entry)
        except (UnknownModelSchema, EncodingError):
            return None, [(index.name, UNREADABLE, entry.key) for index in mine]
        places = [(index.name, index.entry_of(stored.model), entry.key) for index in mine]
        return format_time(stored.metadata.last_updated), places

    # -- indexes over fields ---------------------------------------------------------------------------------------------------------

    async def add(self, index: FieldIndex) -> None:
        """Fill an index from what the file holds; from then on it follows. Raises InvalidInput where its name stands for another one."""
        if self.fields.get(index.name, index) != index:
            raise InvalidInput(
                f"The index {index.name} is over {', '.join(self.fields[index.name].fields)}; choose another name, or drop it."
            )
        if index.name not in self.fields:
            async with self._turn:
                await self._alone(self._fill, index)

    async def drop(self, name: str) -> None:
        """Forget an index over fields, if there is one of this name."""
        async with self._turn:
            self.fields.pop(name, None)
            await self._alone(self._forget, name)

    def _declare(self, index: FieldIndex) -> None:
        definition = json.dumps(definition_value(index))
        self._in_use().execute("INSERT OR REPLACE INTO indexes VALUES (?, ?)", (index.name, definition))
        self.fields[index.name] = index

    def _fill(self, index: FieldIndex) -> None:
        file = self._in_use()
        with transaction(file):
            rows = file.execute(f"SELECT {_COLUMNS} FROM models m WHERE m.value IS NOT NULL")
            places = (place for row in rows for place in self._places(self._entry(row), [index])[1])
            file.cursor().executemany("INSERT INTO entries VALUES (?, ?, ?)", places)
            self._declare(index)

    def _forget(self, name: str) -> None:
        with transaction(self._in_use()) as file:
            file.execute("DELETE FROM entries WHERE name = ?", (name,))
            file.execute("DELETE FROM indexes WHERE name = ?", (name,))

    # -- reading ---------------------------------------------------------------------------------------------------------------------

    def rows(self, access: Access, *, part: tuple[int, int] | None = None) -> Iterator[KvEntry]:
        """The entries that `access` finds, in any order, or `part` (how many, behind how many) by key; call it in a thread."""
        oldest = format_time(now() - self._max_age) if self._max_age else ""
        with closing(sqlite3.connect(self._path, check_same_thread=False)) as file:
            sql = f"SELECT {_COLUMNS} FROM {access.source} AND m.value IS NOT NULL AND m.stored > ?"
            sql += " ORDER BY m.key LIMIT ? OFFSET ?" if part else ""
            for row in file.execute(sql, (*access.parameters, oldest, *(part or ()))):
                yield self._entry(row)

    async def count(self, access: Access, *, at_most: int) -> int:
        """How many entries `access` finds, counted up to `at_most`."""
        return await asyncio.to_thread(self._count, access, at_most)

    async def types(self, *, at_most: int) -> dict[str, int]:
        """The types there are with how many models each has, counted up to `at_most`; found by jumping from each type to the next."""
        return await asyncio.to_thread(self._types, at_most)

    async def figures(self) -> IndexFigures:
        """What the file holds."""
        return await asyncio.to_thread(self._figures)

    def _count(self, access: Access, at_most: int) -> int:
        with closing(sqlite3.connect(self._path, check_same_thread=False)) as file:
            sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {access.source} AND m.value IS NOT NULL LIMIT ?)"
            return int(file.execute(sql, (*access.parameters, at_most)).fetchone()[0])

    def _types(self, at_most: int) -> dict[str, int]:
        found: dict[str, int] = {}
        with closing(sqlite3.connect(self._path, check_same_thread=False)) as file:
            row = file.execute(_FIRST_KEY, ("",)).fetchone()
            while row is not None:
                name = row[0].partition(".")[0]
                bounds = f"{name}.", f"{name}/"
                (found[name],) = file.execute(_COUNT_TYPE, (*bounds, at_most)).fetchone()
                row = file.execute(_FIRST_KEY, (bounds[1],)).fetchone()
        return {name: count for name, count in found.items() if count}

    def _figures(self) -> IndexFigures:
        with closing(sqlite3.connect(self._path, check_same_thread=False)) as file:
            (models,) = file.execute("SELECT COUNT(*) FROM models WHERE value IS NOT NULL").fetchone()
            entries = dict(file.execute("SELECT name, COUNT(*) FROM entries GROUP BY name").fetchall())
        size = sum(path.stat().st_size for path in (self._path, Path(f"{self._path}-wal")) if path.exists())
        return IndexFigures(models=models, entries={name: entries.get(name, 0) for name in self.fields}, bytes=size, position=self.position)

    def _entry(self, row: tuple[str, int, str, bytes]) -> KvEntry:
        key, revision, stored, value = row
        return KvEntry(bucket=self._store.bucket, key=key, value=value, revision=revision, time=parse_time(stored))

    def _in_use(self) -> sqlite3.Connection:
        if self._file is None:
            raise InvalidInput(f"The index {self._path.name} is closed; open it again.")
        return self._file
