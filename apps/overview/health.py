"""This module is the server's health as the overview shows it: asked at most every half minute, whoever looks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from apps.persistence.events import now
from apps.persistence.store import Connection, Health, check_health

KEPT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found, and when."""

    health: Health
    at: datetime
    clock: float


_known: WeakKeyDictionary[Connection, Checked] = WeakKeyDictionary()


async def read_health(connection: Connection) -> Checked:
    """The health of the server, at most KEPT_SECONDS old. Raises as `check_health`."""
    known = _known.get(connection)
    if known is not None and time.monotonic() - known.clock < KEPT_SECONDS:
        return known
    checked = Checked(health=await check_health(connection), at=now(), clock=time.monotonic())
    _known[connection] = checked
    return checked
