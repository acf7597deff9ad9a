"""This module is what a connection says of itself and hands over: its state, the server's greeting, messages and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Link(StrEnum):
    """Whether the server can be reached at this moment."""

    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """The link and since when it is so; `attempts` counts the tries since it broke."""

    link: Link
    since: datetime
    attempts: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What the server said of itself when it greeted us."""

    name: str
    version: str
    cluster: str
    max_payload: int
    domain: str

    def at_least(self, major: int, minor: int) -> bool:
        """Whether the server's version is this one or newer; development builds count as their release."""
        parts = self.version.split("-")[0].split(".")
        return tuple(int(part) for part in parts[:2] if part.isdigit()) >= (major, minor)


class CoreMessage(NamedTuple):
    """A message of core NATS, as it flew by."""

    subject: str
    data: bytes
    raw_headers: bytes
    reply: str


class Reply(NamedTuple):
    """One answer to a request, with its raw header block."""

    data: bytes
    raw_headers: bytes

    @property
    def status(self) -> str:
        """The status code of an answer without content (`404`, `503` …), or nothing."""
        return self.raw_headers[9:12].decode("ascii", "replace") if self.raw_headers[8:9] == b" " else ""


class PendingRequest:
    """One request that waits: `collect` is given every answer and says whether it was the last."""

    __slots__ = ("collect", "done", "replies", "subject")

    def __init__(self, subject: str, collect: Callable[[Reply], bool], done: asyncio.Future[None]) -> None:
        self.subject = subject
        self.collect = collect
        self.done = done
        self.replies: list[Reply] = []

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
