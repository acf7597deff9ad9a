"""This module is what keeps a run from going on where nothing can be stored: said in core NATS, which needs no space, while it lasts."""

from __future__ import annotations

from contextlib import suppress
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import EncodingError, InvalidInput, Unavailable
from ..store import Connection

TROUBLES_ROOT = "cim.live.runs"


async def say_trouble(connection: Connection, run_id: str, reason: str) -> None:
    """Say it to whoever listens; it is said again with each try."""
    with suppress(Unavailable):
        await connection.publish(f"{TROUBLES_ROOT}.{run_id}", encode({"run": run_id, "reason": reason}))


def read_trouble(data: bytes) -> tuple[str, str]:
    """The run and the reason. Raises InvalidInput for anything else."""
    try:
        said = cast("dict[str, Value]", decode(data))
        return cast(str, said["run"]), cast(str, said["reason"])
    except (EncodingError, LookupError, TypeError) as error:
        raise InvalidInput("The message does not say what keeps a run from going on.") from error
