"""This module is what the file of a local index holds, and the ways into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = 1
TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS indexes (name TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS models (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, stored TEXT NOT NULL, updated TEXT, value BLOB);
CREATE INDEX IF NOT EXISTS models_by_update ON models (updated) WHERE value IS NOT NULL;
CREATE INDEX IF NOT EXISTS models_by_revision ON models (revision);
CREATE TABLE IF NOT EXISTS entries (name TEXT, entry BLOB, key TEXT, PRIMARY KEY (name, entry, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_by_key ON entries (key);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFigures:
    """What the file holds: models, entries by index, bytes, and up to which revision it has come."""

    models: int
    entries: Mapping[str, int]
    bytes: int
    position: int


@dataclass(frozen=True, slots=True)
class Access:
    """A way into the file: SQL after FROM, with its parameters."""

    source: str
    parameters: tuple[Any, ...]
