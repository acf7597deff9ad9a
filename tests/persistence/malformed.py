"""This module is what anybody can write into a bucket that is no record: other bytes, other types, less, more, and times that are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from apps.persistence.encoding import decode, encode
from apps.persistence.store import Connection, kv_get, kv_put

Spoil = Callable[[Mapping[str, Any]], bytes]


def _whole(value: bytes) -> Spoil:
    return lambda _: value


SPOILED: Mapping[str, Spoil] = {
    "text": _whole(b"garbage"),
    "nothing": _whole(b""),
    "empty map": _whole(encode({})),
    "a list": _whole(encode([1, 2])),
    "a number": _whole(encode(5)),
    "null": _whole(encode(None)),
    "cut off": lambda record: encode(dict(record))[:-1],
    "null fields": lambda record: encode(dict.fromkeys(record)),
    "numbers in all fields": lambda record: encode(dict.fromkeys(record, -1)),
    "texts in all fields": lambda record: encode(dict.fromkeys(record, "today")),
    "lists in all fields": lambda record: encode({name: [[]] for name in record}),
    "maps in all fields": lambda record: encode({name: {"a": 1} for name in record}),
}


async def spoil(connection: Connection, bucket: str, key: str, shape: str) -> bytes:
    """Write this in the place of a record, and return what was there."""
    entry = await kv_get(connection, bucket, key, leader=True)
    assert entry is not None
    await kv_put(connection, bucket, key, SPOILED[shape](cast("dict[str, Any]", decode(entry.value))))
    return entry.value
