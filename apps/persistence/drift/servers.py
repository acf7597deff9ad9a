"""This module is what is watched of a server: version, cluster, and whether it writes to disk before it answers (`sync_interval`).

Asked are the monitoring address of the connection, and by the system account every server of the cluster. Where neither answers, only the
greeting of the server that the connection stands to is known, and that says nothing of `sync_interval`.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.error import URLError

from ..encoding import Value
from ..errors import PersistenceError
from ..store import Connection, Reply
from .facts import Facts

ASK_SECONDS = 1.0
SYNC = "sync_interval"
_DEFAULT_SYNC = 120_000_000_000


async def read_servers(connection: Connection) -> dict[str, Facts]:
    """The facts of each server that answers, by its name; what is not known of one is left out."""
    greeting = connection.server
    found: dict[str, Facts] = {greeting.name: _said(greeting.name, greeting.version, greeting.cluster)}
    for answer in [*await _ask_system(connection), *await _ask_monitor(connection)]:
        found[str(answer["server_name"])] = _facts(answer)
    return found


def _facts(varz: Mapping[str, Any]) -> Facts:
    said = _said(str(varz["server_name"]), str(varz.get("version", "")), str((varz.get("cluster") or {}).get("name", "")))
    config = (varz.get("jetstream") or {}).get("config")
    return {**said, SYNC: _sync(config)} if config else said


def _said(name: str, version: str, cluster: str) -> dict[str, Value]:
    return {"exists": True, "name": name, "version": version, **({"cluster": cluster} if cluster else {})}


def _sync(config: Mapping[str, Any]) -> str:
    return "always" if config.get("sync_always") else f"{config.get('sync_interval', _DEFAULT_SYNC) / 1e9:g} s"


async def _ask_system(connection: Connection) -> list[Mapping[str, Any]]:
    """What each server says to a user of the system account; nothing to any other."""
    replies: list[Reply] = []

    def is_last(reply: Reply) -> bool:
        replies.append(reply)
        return bool(reply.status)

    with suppress(PersistenceError):  # the time is up: nobody knows how many servers there are
        await connection.request_many("$SYS.REQ.SERVER.PING.VARZ", b"", is_last, timeout=ASK_SECONDS)
    said = [json.loads(reply.data).get("data") for reply in replies if not reply.status]
    return [one for one in said if one and one.get("server_name")]


async def _ask_monitor(connection: Connection) -> list[Mapping[str, Any]]:
    url = connection.settings.monitor_url
    if not url or not url.startswith(("http://", "https://")):
        return []
    try:
        varz = await asyncio.to_thread(_read, f"{url.rstrip('/')}/varz")
    except (URLError, OSError, ValueError):
        return []
    return [varz] if varz.get("server_name") else []


def _read(url: str) -> Mapping[str, Any]:
    with urllib.request.urlopen(url, timeout=ASK_SECONDS) as answer:
        found: Mapping[str, Any] = json.load(answer)
        return found
