"""This module is key-value buckets as JetStream has them (ADR-8): streams named `KV_…` with one subject for each key.

Reads are Direct Gets; writes say which revision they expect; several keys change together in one atomic batch. No consumer is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..errors import InvalidInput, RevisionConflict, ServerRefused
from .api_errors import SEQUENCE_IN_PROCESS, WRONG_LAST_SEQUENCE
from .connection import Connection
from .message import Message
from .publish import EXPECTED_SEQUENCE, Outgoing, store_batch, store_message
from .read import MAX_MATCHES, get_last, last_of_each, read_batch
from .streams import subjects_matching

_KEY = re.compile(r"[-/_=.a-zA-Z0-9]+", re.ASCII)
_OPERATION = "KV-Operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class KvEntry:
    """One revision of a key. `operation` is `put`, `delete` or `purge`; of a deleted key the value is empty."""

    bucket: str
    key: str
    value: bytes
    revision: int
    time: datetime
    operation: Literal["put", "delete", "purge"] = "put"


def check_key(key: str) -> str:
    """Return `key` if a bucket may hold it (letters, digits, `-/_=.`, no dot at an end). Raises InvalidInput."""
    if not _KEY.fullmatch(key) or key.startswith(".") or key.endswith(".") or ".." in key:
        raise InvalidInput(f"{key[:80]!r} is no key: letters, digits and - / _ = . only, with no dot at its ends.")
    return key


async def kv_get(connection: Connection, bucket: str, key: str, *, leader: bool = False) -> KvEntry | None:
    """The newest revision of `key`, or None where there is none or it was deleted."""
    message = await get_last(connection, f"KV_{bucket}", f"$KV.{bucket}.{check_key(key)}", leader=leader)
    entry = to_entry(bucket, message) if message else None
    return entry if entry and entry.operation == "put" else None


async def kv_get_many(connection: Connection, bucket: str, keys: Sequence[str]) -> dict[str, KvEntry]:
    """The newest revision of each of `keys` that has one."""
    found: dict[str, KvEntry] = {}
    for start in range(0, len(keys), MAX_MATCHES):
        patterns = [f"$KV.{bucket}.{check_key(key)}" for key in keys[start : start + MAX_MATCHES]]
        for message in await last_of_each(connection, f"KV_{bucket}", patterns):
            entry = to_entry(bucket, message)
            if entry.operation == "put":
                found[entry.key] = entry
    return found


async def kv_keys(connection: Connection, bucket: str, *, prefix: str = "", limit: int = 100_000) -> list[str]:
    """The keys that begin with the whole tokens `prefix`, deleted ones included until they are purged; sorted, at most `limit`."""
    pattern = f"$KV.{bucket}.{prefix}.>" if prefix else f"$KV.{bucket}.>"
    found = await subjects_matching(connection, f"KV_{bucket}", pattern, limit=limit)
    start = len(f"$KV.{bucket}.")
    return sorted(subject[start:] for subject in found)


async def kv_all(connection: Connection, bucket: str, *, prefix: str = "") -> list[KvEntry]:
    """The newest revision of every key that is not deleted, in order of change. For small buckets."""
    pattern = f"$KV.{bucket}.{prefix}.>" if prefix else f"$KV.{bucket}.>"
    newest: dict[str, KvEntry] = {}
    position = 1
    while True:
        batch = await read_batch(connection, f"KV_{bucket}", from_sequence=position, limit=1000, pattern=pattern)
        for message in batch.messages:
            entry = to_entry(bucket, message)
            newest.pop(entry.key, None)
            newest[entry.key] = entry
        if not batch.pending or not batch.messages:
            return [entry for entry in newest.values() if entry.operation == "put"]
        position = batch.messages[-1].sequence + 1


async def kv_history(connection: Connection, bucket: str, key: str) -> list[KvEntry]:
    """Every revision of `key` that the bucket still keeps (at most 64), oldest first; deletions are among them."""
    batch = await read_batch(connection, f"KV_{bucket}", limit=100, pattern=f"$KV.{bucket}.{check_key(key)}")
    return [to_entry(bucket, message) for message in batch.messages]


async def kv_revision(connection: Connection, bucket: str, key: str) -> int:
    """The newest revision of `key` by the leader, that of its deletion included; 0 where there is none at all."""
    message = await get_last(connection, f"KV_{bucket}", f"$KV.{bucket}.{check_key(key)}", leader=True)
    return message.sequence if message else 0


async def kv_put(
    connection: Connection, bucket: str, key: str, value: bytes, *, expected_revision: int | None = None, ttl_seconds: int = 0
) -> int:
    """Write `key` and return its new revision.

    With `expected_revision` only if that is its revision now (0: it must not exist); else RevisionConflict. `ttl_seconds` needs a
    bucket that allows it.
    """
    headers = {EXPECTED_SEQUENCE: str(expected_revision)} if expected_revision is not None else {}
    if ttl_seconds:
        headers["Nats-TTL"] = f"{ttl_seconds}s"
    try:
        ack = await store_message(connection, Outgoing(f"$KV.{bucket}.{check_key(key)}", value, headers))
    except ServerRefused as error:
        raise _conflict(error, key, expected_revision) from error
    return ack.sequence


async def kv_put_batch(
    connection: Connection, bucket: str, changes: Mapping[str, bytes | None], *, expected: Mapping[str, int] | None = None
) -> int:
    """Write all of `changes` (None deletes) or nothing, and return the last revision. `expected` names revisions that must still hold.

    At most 1,000 keys. Raises RevisionConflict. The bucket's stream must allow atomic batches, as those made by `ensure_bucket` do.
    """
    wanted = expected or {}
    messages = [
        Outgoing(
            f"$KV.{bucket}.{check_key(key)}",
            value or b"",
            ({_OPERATION: "DEL"} if value is None else {}) | ({EXPECTED_SEQUENCE: str(wanted[key])} if key in wanted else {}),
        )
        for key, value in changes.items()
    ]
    try:
        ack = await store_batch(connection, messages)
    except ServerRefused as error:
        raise _conflict(error, ", ".join(wanted), next(iter(wanted.values()), None)) from error
    return ack.sequence


async def kv_delete(connection: Connection, bucket: str, key: str) -> int:
    """Mark `key` as deleted and return the revision of the mark."""
    ack = await store_message(connection, Outgoing(f"$KV.{bucket}.{check_key(key)}", b"", {_OPERATION: "DEL"}))
    return ack.sequence


def to_entry(bucket: str, message: Message) -> KvEntry:
    """The revision that a message of the bucket's stream is."""
    mark = message.headers.get(_OPERATION, "") if message.raw_headers else ""
    operation: Literal["put", "delete", "purge"] = "put"
    if mark in ("DEL", "PURGE") or b"Nats-Marker-Reason" in message.raw_headers:
        operation = "purge" if mark == "PURGE" else "delete"
    return KvEntry(
        bucket=bucket,
        key=message.subject[len(f"$KV.{bucket}.") :],
        value=message.data,
        revision=message.sequence,
        time=message.time,
        operation=operation,
    )


def _conflict(error: ServerRefused, key: str, expected: int | None) -> Exception:
    if error.err_code in (WRONG_LAST_SEQUENCE, SEQUENCE_IN_PROCESS):
        return RevisionConflict(key, expected=expected)
    return error
