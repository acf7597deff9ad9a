"""This module is keys in files: one for each subject under a folder of its own, readable by its owner alone.

`{folder}/{context}/{type}/{id}.json`, mode 0600, folders 0700. A key is on the disk before the first event that needs it is stored. Writers
take turns by a lock on the folder; readers see a change at their next look, as they compare the file with what they remember.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InvalidInput, PayloadRedacted
from ..subjects import check_token
from .aggregate import AggregateRef
from .cipher import KEY_BYTES, Key
from .identity import format_time, parse_time
from .keys import Destruction, check_not_destroyed, new_key

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What the file of a subject says."""

    keys: tuple[Key, ...] = ()
    destroyed: Destruction | None = None


_NOTHING = _Record()
_Stamp = tuple[int, int, int]


class FileKeys:
    """Keys in files under `folder`, which is made when the first key is. Any number of processes can use one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._remembered: dict[AggregateRef, tuple[_Stamp, _Record]] = {}

    def find_key(self, subject: AggregateRef, key_id: str) -> Key | None:
        """See KeyStore. Raises InvalidInput for a file that cannot be read."""
        return next((key for key in self._read(subject).keys if key.id == key_id), None)

    def current_key(self, subject: AggregateRef) -> Key:
        """See KeyStore. Raises InvalidInput for a file that cannot be read or written."""
        record = self._read(subject)
        if record.keys:
            return record.keys[-1]
        with self._writing(subject) as record:
            return record.keys[-1] if record.keys else self._add_key(subject, record)

    def rotate_key(self, subject: AggregateRef) -> Key:
        """See KeyStore. Raises InvalidInput for a file that cannot be read or written."""
        with self._writing(subject) as record:
            return self._add_key(subject, record)

    def destroy_keys(self, destruction: Destruction) -> Destruction:
        """See KeyStore. The file is written over before the record of the destruction takes its place."""
        with self._writing(destruction.subject) as record:
            if record.destroyed is not None:
                return record.destroyed
            final = replace(destruction, keys=tuple(key.id for key in record.keys) or destruction.keys)
            self._write_over(destruction.subject)
            self._write(destruction.subject, _Record(destroyed=final))
            return final

    def find_destruction(self, subject: AggregateRef) -> Destruction | None:
        """See KeyStore."""
        return self._read(subject).destroyed

    def key_ids(self, subject: AggregateRef) -> tuple[str, ...]:
        """See KeyStore."""
        return tuple(key.id for key in self._read(subject).keys)

    def subjects(self, context: str, kind: str) -> tuple[AggregateRef, ...]:
        """See KeyStore. Raises InvalidSubject for names that are no tokens."""
        folder = self.folder / check_token(context, "a context") / check_token(kind, "an aggregate type")
        named = [AggregateRef(context, kind, path.stem) for path in sorted(folder.glob("*.json"))]
        return tuple(subject for subject in named if self.key_ids(subject))

    def _path(self, subject: AggregateRef) -> Path:
        return self.folder / subject.context / subject.type / f"{subject.id}.json"

    def _read(self, subject: AggregateRef) -> _Record:
        path = self._path(subject)
        try:
            found = path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            known = self._remembered.get(subject)
            if known is not None and known[0] == stamp:
                return known[1]
            record = _from_text(subject, path.read_text())
        except FileNotFoundError:
            self._remembered.pop(subject, None)
            return _NOTHING
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                f"The keys of {subject} cannot be read from {path}: {type(error).__name__}: {error}. "
                "Restore the file from a backup of the keys, or give it to the user of this process."
            ) from error
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[subject] = stamp, record
        return record

    @contextmanager
    def _writing(self, subject: AggregateRef) -> Iterator[_Record]:
        """One writer at a time; what is there, read again under the lock."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InvalidInput(
                f"Keys cannot be kept in {self.folder}: {error.strerror}; name a folder that this user can write to."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._remembered.pop(subject, None)
            yield self._read(subject)
        finally:
            os.close(lock)

    def _add_key(self, subject: AggregateRef, record: _Record) -> Key:
        if record.destroyed is not None:
            check_not_destroyed(self, subject)
            raise PayloadRedacted(str(record.destroyed))
        key = new_key(len(record.keys) + 1)
        self._write(subject, replace(record, keys=(*record.keys, key)))
        return key

    def _write_over(self, subject: AggregateRef) -> None:
        path = self._path(subject)
        if not path.exists():
            return
        with path.open("r+b") as file:
            file.write(os.urandom(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())

    def _write(self, subject: AggregateRef, record: _Record) -> None:
        """Put the record in the file's place, whole or not at all, and on the disk."""
        path = self._path(subject)
        beside = path.with_suffix(".new")
        try:
            for folder in (path.parent.parent, path.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(_to_text(record))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            for folder in (path.parent, path.parent.parent, self.folder):
                _sync_folder(folder)
        except OSError as error:
            raise InvalidInput(f"The keys of {subject} cannot be written to {path}: {error.strerror}. Nothing was encrypted.") from error
        self._remembered.pop(subject, None)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _to_text(record: _Record) -> str:
    gone = record.destroyed
    destroyed = gone and {"keys": list(gone.keys), "at": format_time(gone.at), "by": gone.by, "reason": gone.reason}
    return json.dumps({"keys": [{"id": key.id, "secret": key.secret.hex()} for key in record.keys], "destroyed": destroyed}, indent=1)


def _from_text(subject: AggregateRef, text: str) -> _Record:
    said: dict[str, Any] = json.loads(text)
    keys = tuple(Key(id=str(one["id"]), secret=bytes.fromhex(one["secret"])) for one in said["keys"])
    if any(len(key.secret) != KEY_BYTES for key in keys):
        raise ValueError("a secret has not 32 bytes")
    gone = said["destroyed"]
    destroyed = gone and Destruction(
        subject=subject, keys=tuple(gone["keys"]), at=parse_time(gone["at"]), by=str(gone["by"]), reason=str(gone["reason"])
    )
    return _Record(keys=keys, destroyed=destroyed)
