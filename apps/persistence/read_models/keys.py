"""This module is the keys of a bucket that match a pattern, a part at a time, so that a bucket of any size may be gone through.

The server names 100,000 in one answer, in order. Each answer after the first begins with the last key of the one before; where it does not,
keys went away in between, and the place is looked for again, so that none is left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..store import Connection
from .model import is_model_key

KEYS_AT_ONCE = 1000
_NAMED_SECONDS = 30


async def key_pages(connection: Connection, bucket: str, pattern: str) -> AsyncIterator[list[str]]:
    """The keys of models in order, up to 1,000 at a time, deleted ones included until they are purged. Raises StreamNotFound."""
    offset, last = 0, ""
    while True:
        keys, total = await _named(connection, bucket, pattern, offset)
        if last and (not keys or keys[0] > last) and offset:
            offset = max(0, offset - KEYS_AT_ONCE)
            continue
        fresh = [key for key in keys if key > last]
        models = [key for key in fresh if is_model_key(key)]
        for start in range(0, len(models), KEYS_AT_ONCE):
            yield models[start : start + KEYS_AT_ONCE]
        if not fresh or offset + len(keys) >= total:
            return
        offset, last = offset + len(keys) - 1, keys[-1]


async def count_keys(connection: Connection, bucket: str) -> int:
    """How many keys the bucket has in all, whatever they hold. Raises StreamNotFound."""
    answer = await connection.api(f"STREAM.INFO.KV_{bucket}", stream=f"KV_{bucket}")
    return int(answer["state"].get("num_subjects", 0))


async def _named(connection: Connection, bucket: str, pattern: str, offset: int) -> tuple[list[str], int]:
    body = {"subjects_filter": f"$KV.{bucket}.{pattern}", "offset": offset}
    answer = await connection.api(f"STREAM.INFO.KV_{bucket}", body, stream=f"KV_{bucket}", timeout=_NAMED_SECONDS)
    start = len(f"$KV.{bucket}.")
    keys = sorted(subject[start:] for subject in answer["state"].get("subjects") or {})
    return keys, int(answer.get("total", 0))
