"""This module is where flags over schemas stand: one key for each in the bucket `cim-flags`, heard of by every worker within a moment."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import EncodingError, InvalidInput, NotFound, PersistenceError
from ..events import Flags, FlagState
from .connection import Connection
from .kv import kv_all, kv_put
from .link import CoreMessage
from .store import ensure_bucket

FLAGS_BUCKET = "cim-flags"
LOOK_SECONDS = 5.0
_SETTLE_SECONDS = 0.05
_SETTLE_LOOKS = 5

log = logging.getLogger(__name__)


async def read_flags(connection: Connection) -> dict[str, FlagState]:
    """The flags that were ever switched, by name. Raises Unavailable."""
    try:
        entries = await kv_all(connection, FLAGS_BUCKET)
    except NotFound:
        return {}
    found: dict[str, FlagState] = {}
    for entry in entries:
        try:
            value = cast("dict[str, Value]", decode(entry.value))
            found[entry.key] = FlagState(reading=bool(value["reading"]), writing=cast(int, value["writing"]))
        except (EncodingError, InvalidInput, KeyError, TypeError) as error:
            log.warning("the flag %s in %s cannot be read and stands as declared: %s", entry.key, FLAGS_BUCKET, error)
    return found


async def write_flag(connection: Connection, name: str, state: FlagState) -> None:
    """Switch a flag; the bucket is made where it is missing. Raises Unavailable."""
    await ensure_bucket(connection, FLAGS_BUCKET, history=10)
    await kv_put(connection, FLAGS_BUCKET, name, encode({"reading": state.reading, "writing": state.writing}))


async def follow_flags(connection: Connection, flags: Flags) -> None:
    """Keep `flags` as they are switched, until cancelled."""
    if not flags.declared:
        return
    woken = asyncio.Event()

    def on_write(message: CoreMessage) -> None:
        woken.set()

    async with connection.subscribe(f"$KV.{FLAGS_BUCKET}.>", on_write):
        while True:
            looks = _SETTLE_LOOKS if woken.is_set() else 1  # the message of a write flies by before it is stored
            woken.clear()
            for _ in range(looks):
                await _learn(connection, flags)
                await asyncio.sleep(_SETTLE_SECONDS)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await woken.wait()
            except TimeoutError:
                continue


async def _learn(connection: Connection, flags: Flags) -> None:
    """Where the server is away, what was known stays."""
    try:
        flags.learn(await read_flags(connection))
    except PersistenceError as error:
        log.debug("the flags over schemas cannot be read: %s", error)
