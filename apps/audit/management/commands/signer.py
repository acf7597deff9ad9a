"""This module is `manage.py signer`: it signs the log of every stream with chains on the home connection until it is told to end."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.persistence.errors import PersistenceError
from apps.persistence.log.signer import SignerFolder, change_key, open_signer_folder, sign_logs
from apps.persistence.log.witness_client import WitnessClient
from apps.persistence.store import ConnectionSettings, Store
from apps.persistence.store.child import say_ready
from apps.persistence.store.connection import open_connection
from apps.persistence.work.vouching import find_candidates
from apps.registry import registry


class Command(BaseCommand):
    help = "Sign the log of every stream with chains, with the key in the folder `signer` of CIM_DATA, which is made at the first start."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--change-key", action="store_true", help="make a new key, signed by the old one, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.CIM_DATA / "signer"
        try:
            if options["change_key"]:
                old, new = change_key(folder)
                self.stdout.write(f"{new.verifier.vkey} signs from the next start on, and {old.verifier.vkey} has signed that.")
                return
            witness = WitnessClient.parse(settings.CIM_WITNESS) if settings.CIM_WITNESS else None
            with open_signer_folder(folder) as opened:
                self.stdout.write(f"Signs with {opened.key.verifier.vkey}")
                asyncio.run(_sign(opened, witness))
        except PersistenceError as error:
            raise CommandError(str(error)) from error


async def _sign(opened: SignerFolder, witness: WitnessClient | None) -> None:
    signing = asyncio.create_task(_connect_and_sign(opened, witness))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signing.cancel)
    with suppress(asyncio.CancelledError):
        await signing


async def _connect_and_sign(opened: SignerFolder, witness: WitnessClient | None) -> None:
    async with open_connection(ConnectionSettings(name="home", **settings.CIM_HOME)) as connection:
        store = Store(connection=connection, layouts=registry().layouts, makes_consumers=False)
        await sign_logs(connection, opened, lambda: find_candidates(store), witness=witness, on_ready=say_ready)
