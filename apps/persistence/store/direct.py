"""This module is one request for stored messages: a Direct Get (ADR-31), or the same question to the stream's leader."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from ..errors import FeatureUnavailable, PermissionDenied, ServerRefused
from .api_errors import NO_MESSAGE
from .client import parse_headers
from .connection import Connection
from .link import Reply
from .message import Message, from_direct, nanoseconds
from .streams import get_stream

MAX_MATCHES = 1024
"""A `multi_last` request is refused (413) when more subjects than this match."""
PAGED_SINCE = (2, 11)
"""The first nats-server that answers a Direct Get with several messages."""
READ_SECONDS = 10.0
_DIRECT_GET_MEMORY_SECONDS = 30.0


class TooManyMatches(FeatureUnavailable):
    """More than 1,024 subjects match; narrow the filters."""


async def get_one(connection: Connection, stream: str, body: dict[str, Any], *, leader: bool = False) -> Message | None:
    """The message that `body` asks for, by Direct Get where the stream allows it, else through the leader; None where there is none."""
    if not leader:
        replies = await ask_direct(connection, stream, body, many=False)
        if replies is not None:
            return None if replies[0].status else from_direct(*replies[0])
    return await _get_from_leader(connection, stream, body)


async def ask_direct(connection: Connection, stream: str, body: dict[str, Any], *, many: bool) -> list[Reply] | None:
    """The answers to a Direct Get, or None where none can come: the stream forbids it, or the server is too old for `many`. 404 is one."""
    until = connection.without_direct_get.get(stream, 0.0)
    if until > time.monotonic() or (many and not connection.server.at_least(*PAGED_SINCE)):
        return None
    subject = f"{connection.settings.api_root}.DIRECT.GET.{stream}"
    last = _is_end if many else _always
    replies = await connection.request_many(subject, json.dumps(body).encode(), last, timeout=READ_SECONDS)
    status = replies[-1].status
    if status == "503":
        await _note_silence(connection, stream)
        return None
    if status == "413":
        raise TooManyMatches(f"More than {MAX_MATCHES:,} subjects of {stream} match; narrow the filter.")
    if status in ("408", "400"):
        description = parse_headers(replies[-1].raw_headers).get("Description", "bad request")
        raise ServerRefused(f"Direct Get of {stream}: {description}", code=int(status), err_code=0)
    return replies


async def _note_silence(connection: Connection, stream: str) -> None:
    """Nobody answered a Direct Get. Remember that for a while if the stream forbids it. Raises StreamNotFound where it is missing."""
    try:
        is_forbidden = not (await get_stream(connection, stream)).allows_direct
    except PermissionDenied:
        is_forbidden = True
    if is_forbidden:
        connection.without_direct_get[stream] = time.monotonic() + _DIRECT_GET_MEMORY_SECONDS


def _always(reply: Reply) -> bool:
    return True


def _is_end(reply: Reply) -> bool:
    return bool(reply.status)


async def _get_from_leader(connection: Connection, stream: str, body: dict[str, Any]) -> Message | None:
    try:
        answer = await connection.api(f"STREAM.MSG.GET.{stream}", body, stream=stream)
    except ServerRefused as error:
        if error.err_code == NO_MESSAGE:
            return None
        raise
    found = answer["message"]
    return Message(
        stream,
        found["subject"],
        found["seq"],
        nanoseconds(found["time"]),
        base64.b64decode(found.get("hdrs", "")),
        base64.b64decode(found.get("data", "")),
    )
