"""This module is `manage.py checkpoint STREAM`: the newest checkpoint of a stream on standard output, to be sent or kept elsewhere."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.persistence.errors import NotFound, PersistenceError
from apps.persistence.log.published import open_published, read_published
from apps.persistence.log.trust import Trust, trusted_keys
from apps.persistence.store import ConnectionSettings
from apps.persistence.store.connection import open_connection
from apps.persistence.store.names import check_stream_name
from apps.registry import registry


class Command(BaseCommand):
    help = "Print the newest checkpoint of a stream, once its signature holds, byte for byte as it was signed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("stream", help="the stream, such as CIM-EVENTS")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            note = asyncio.run(_newest(check_stream_name(options["stream"]), registry().trust))
        except PersistenceError as error:
            raise CommandError(str(error)) from error
        sys.stdout.buffer.write(note)
        sys.stdout.buffer.flush()


async def _newest(stream: str, trust: Trust) -> bytes:
    async with open_connection(ConnectionSettings(name="home", **settings.CIM_HOME)) as connection:
        keys, published = await trusted_keys(connection, trust), await read_published(connection, stream)
        if keys is None or published is None:
            raise NotFound(
                f"No checkpoint of {stream} is published; a running signer publishes its newest within seconds, also where it was removed."
            )
        return open_published(published, keys).note.raw
