"""This module is the NATS users whose permissions are known: each connection asks the server for its own, and workers tell of theirs.

What a user may do is in the server's configuration alone; a server tells each user its own permissions and nobody else's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from blake3 import blake3

from ..encoding import Value, decode, encode
from ..errors import PermissionDenied, StreamNotFound
from ..store import Connection, KvEntry, kv_all, kv_put
from .permissions import SubjectPermissions
from .record import ROUTES_BUCKET, ensure_routes

ASK_OWN = "$SYS.REQ.USER.INFO"
"""Where a server answers each user what that user may do."""
_PREFIX = "user"
EVERYTHING = (">",)


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsUser:
    """A NATS user as the server described it. `told_at` is None where it was asked just now."""

    name: str
    account: str
    permissions: SubjectPermissions
    told_at: datetime | None = None


async def ask_own_user(connection: Connection) -> NatsUser | None:
    """The user of a connection; None where the server does not say: it is too old, or the user may not ask. Raises Unavailable."""
    try:
        reply = await connection.request(ASK_OWN, b"", timeout=2)
    except PermissionDenied:
        return None
    try:
        found = cast("dict[str, Any]", json.loads(reply.data))["data"]
        name, account = str(found["user"]), str(found["account"])
    except (ValueError, KeyError, TypeError):
        return None
    return NatsUser(name=name, account=account, permissions=_permissions(found.get("permissions") or {}))


async def tell_own_user(connection: Connection) -> None:
    """Have the console know what this connection's user may do. Raises Unavailable."""
    user = await ask_own_user(connection)
    if user is None:
        return
    await ensure_routes(connection)
    rights = user.permissions
    value: dict[str, Value] = {
        "name": user.name,
        "account": user.account,
        "publish_allow": list(rights.publish_allow),
        "publish_deny": list(rights.publish_deny),
        "subscribe_allow": list(rights.subscribe_allow),
        "subscribe_deny": list(rights.subscribe_deny),
    }
    await kv_put(connection, ROUTES_BUCKET, f"{_PREFIX}.{blake3(user.name.encode()).hexdigest(8)}", encode(value))


async def list_told_users(connection: Connection) -> list[NatsUser]:
    """The users that workers told of, by name."""
    try:
        entries = await kv_all(connection, ROUTES_BUCKET, prefix=_PREFIX)
    except StreamNotFound:
        return []
    return sorted((_read(entry) for entry in entries), key=lambda user: user.name)


def _permissions(given: dict[str, Any]) -> SubjectPermissions:
    """What the server means: where nothing is allowed by name, everything is that is not denied."""
    publish, subscribe = given.get("publish") or {}, given.get("subscribe") or {}
    return SubjectPermissions(
        publish_allow=tuple(publish.get("allow") or EVERYTHING),
        publish_deny=tuple(publish.get("deny") or ()),
        subscribe_allow=_subjects(subscribe.get("allow") or EVERYTHING),
        subscribe_deny=_subjects(subscribe.get("deny") or ()),
    )


def _subjects(given: Sequence[str]) -> tuple[str, ...]:
    """A permission to subscribe may name a queue group behind its subject."""
    return tuple(one.split(" ")[0] for one in given)


def _read(entry: KvEntry) -> NatsUser:
    value = cast("dict[str, Any]", decode(entry.value))
    lists = {name: tuple(value[name]) for name in ("publish_allow", "publish_deny", "subscribe_allow", "subscribe_deny")}
    return NatsUser(name=value["name"], account=value["account"], permissions=SubjectPermissions(**lists), told_at=entry.time)
