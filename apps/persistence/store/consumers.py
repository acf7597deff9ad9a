"""This module is what changes a consumer: making it, moving it, holding it for a time, and taking it away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..errors import FeatureUnavailable, ServerRefused
from .api_errors import CONSUMER_NOT_FOUND
from .connection import Connection
from .streams import ConsumerInfo, to_consumer_info

RESET_SINCE = (2, 14)
PAUSE_SINCE = (2, 11)


async def create_consumer(connection: Connection, stream: str, config: Mapping[str, Any]) -> ConsumerInfo:
    """A new consumer called `config["name"]`; the very same one that is there already is taken as made.

    Raises StreamNotFound, and ServerRefused where there is another of that name.
    """
    body = {"stream_name": stream, "action": "create", "config": dict(config)}
    return to_consumer_info(await connection.api(f"CONSUMER.CREATE.{stream}.{config['name']}", body, stream=stream))


async def reset_consumer(connection: Connection, stream: str, name: str, sequence: int) -> None:
    """Have the event at `sequence` delivered next, and all after it. Look first that the consumer is there: else nobody answers.

    Raises FeatureUnavailable on a server before 2.14, and ServerRefused where the consumer's own start forbids it.
    """
    _check_feature(connection, "reset a consumer", RESET_SINCE)
    await connection.api(f"CONSUMER.RESET.{stream}.{name}", {"seq": sequence}, stream=stream)


async def pause_consumer(connection: Connection, stream: str, name: str, until: datetime | None) -> None:
    """Deliver nothing until then; None: go on now. Raises FeatureUnavailable on a server before 2.11, ServerRefused where it is gone."""
    _check_feature(connection, "pause a consumer", PAUSE_SINCE)
    body = {} if until is None else {"pause_until": f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"}
    await connection.api(f"CONSUMER.PAUSE.{stream}.{name}", body, stream=stream)


async def delete_consumer(connection: Connection, stream: str, name: str) -> bool:
    """Take a consumer away; False where there is none. Raises StreamNotFound."""
    try:
        await connection.api(f"CONSUMER.DELETE.{stream}.{name}", stream=stream)
    except ServerRefused as error:
        if error.err_code != CONSUMER_NOT_FOUND:
            raise
        return False
    return True


def _check_feature(connection: Connection, act: str, since: tuple[int, int]) -> None:
    if not connection.server.at_least(*since):
        raise FeatureUnavailable(f"nats-server {connection.server.version} cannot {act}; it needs {since[0]}.{since[1]}.")
