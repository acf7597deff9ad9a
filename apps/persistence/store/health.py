"""This module is what a server can and cannot do, found out when asked: is JetStream on, is an acknowledgement durable, what is missing."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

from ..errors import Unavailable
from .connection import Connection
from .consumers import PAUSE_SINCE, RESET_SINCE
from .link import ServerFacts

MONITOR_SECONDS = 2.0
_SINCE = (
    ((2, 11), "paged Direct Get", "pages of a stream are read message by message"),
    (PAUSE_SINCE, "consumer pause", "a consumer cannot be paused; only whoever reads it can be stopped"),
    ((2, 12), "atomic batches", "several events cannot be appended together, and projections cannot run"),
    (RESET_SINCE, "consumer reset", "a consumer can only be reset by deleting and creating it"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFeature:
    """Something this server is too old for: its name, the release that has it, and what does not work without it."""

    name: str
    needs: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was found. `is_durable` is None where nobody could tell; `durability` says it in words, with what to do."""

    version: str
    is_durable: bool | None
    durability: str
    missing: tuple[MissingFeature, ...]
    streams: int
    memory_bytes: int
    storage_bytes: int


async def check_health(connection: Connection) -> Health:
    """Ask the server. Raises JetStreamDisabled where there is no JetStream, PermissionDenied or Unavailable."""
    account = await connection.api("INFO")
    is_durable, durability = await _durability(connection)
    return Health(
        version=connection.server.version,
        is_durable=is_durable,
        durability=durability,
        missing=missing_features(connection.server),
        streams=int(account.get("streams", 0)),
        memory_bytes=int(account.get("memory", 0)),
        storage_bytes=int(account.get("storage", 0)),
    )


def missing_features(server: ServerFacts) -> tuple[MissingFeature, ...]:
    """What is switched off because the server is too old for it."""
    return tuple(
        MissingFeature(name=name, needs=f"{major}.{minor}", effect=effect)
        for (major, minor), name, effect in _SINCE
        if not server.at_least(major, minor)
    )


async def _durability(connection: Connection) -> tuple[bool | None, str]:
    config = await _jetstream_config(connection)
    if config is None:
        return None, (
            "Not known whether an acknowledged event survives a power failure: the server's configuration cannot be read. Set the "
            "connection's monitor URL, or use a user of the system account."
        )
    if config.get("sync_always"):
        return True, "Acknowledged is durable: the server writes to disk before it answers (sync_interval: always)."
    seconds = config.get("sync_interval", 120_000_000_000) / 1_000_000_000
    return False, (
        f"Acknowledged is not durable here: the server writes to disk every {seconds:g} s, and a power failure loses what came since. "
        "Set sync_interval: always in its jetstream block."
    )


async def _jetstream_config(connection: Connection) -> dict[str, Any] | None:
    if connection.settings.monitor_url:
        return await asyncio.to_thread(_read_monitor, connection.settings.monitor_url)
    try:
        reply = await connection.request("$SYS.REQ.SERVER.PING.JSZ", b"{}", timeout=1)
    except Unavailable:
        return None
    if reply.status:
        return None
    config: dict[str, Any] | None = json.loads(reply.data).get("data", {}).get("config")
    return config


def _read_monitor(url: str) -> dict[str, Any] | None:
    if not url.startswith(("http://", "https://")):
        return None
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/jsz", timeout=MONITOR_SECONDS) as answer:
            config: dict[str, Any] | None = json.load(answer).get("config")
            return config
    except (URLError, OSError, ValueError):
        return None
