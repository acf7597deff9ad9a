"""This module is the translation of JetStream's answers into our errors; each code is explained where it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import (
    JetStreamDisabled,
    OutOfSpace,
    PersistenceError,
    ServerRefused,
    StreamNotFound,
    Unavailable,
    Unreachable,
    WrongCredentials,
)
from .settings import CONNECT_SECONDS, ConnectionSettings

STREAM_NOT_FOUND = 10059
NO_MESSAGE = 10037
JETSTREAM_DISABLED = frozenset({10035, 10039, 10076})  # not enabled for the account, for the user's account, on the server
OUT_OF_SPACE = frozenset({10023, 10028, 10047, 10077, 10122})
WRONG_LAST_SEQUENCE = 10071
SEQUENCE_IN_PROCESS = 10164  # the same check is in flight on a replicated stream
DUPLICATE_IN_BATCH = 10201
TEMPORARILY_UNAVAILABLE = frozenset({10008, 10163})
TOO_MANY_BATCHES = 10210
CONSUMER_NOT_FOUND = 10014
CONSUMER_EXISTS = 10148  # another one of that name, with other settings
MESSAGE_TOO_LARGE = 10054  # larger than the stream's own max_msg_size


def api_error(error: Mapping[str, Any], *, stream: str = "") -> PersistenceError:
    """The error of ours for `error`, an API answer's member of that name (`code`, `err_code`, `description`)."""
    code, err_code = int(error.get("code", 0)), int(error.get("err_code", 0))
    description = str(error.get("description", "no description"))
    if err_code == STREAM_NOT_FOUND:
        return StreamNotFound(stream or "(unnamed)")
    if err_code in JETSTREAM_DISABLED:
        return JetStreamDisabled(
            f"JetStream is not enabled: {description} (code {err_code}). Enable it in the server's configuration or for this account."
        )
    if err_code in OUT_OF_SPACE:
        return OutOfSpace(f"The server cannot store more: {description} (code {err_code}). Free space or raise the limit, then retry.")
    return ServerRefused(description, code=code, err_code=err_code)


def cannot_connect(settings: ConnectionSettings, cause: str) -> Unavailable:
    """The error of ours for a connection that could not be opened; `cause` is the client's own word, empty if nothing came."""
    if "authorization" in cause.lower() or "authentication" in cause.lower():
        return WrongCredentials(
            f"{settings.url} refused the credentials of connection {settings.name}: {cause}. "
            "Check its user and password, nkey or credentials file."
        )
    return Unreachable(
        f"No NATS server answers at {settings.url} ({cause or f'nothing within {CONNECT_SECONDS:g} s'}). "
        "Check the address, that nats-server runs, and the network between."
    )
