"""This module is `manage.py demo`: an order example that lives on this console's home connection, marked as demo data."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.domain.demo.run import DemoOptions, run_demo
from apps.persistence.errors import PersistenceError
from apps.persistence.store import ConnectionSettings, open_store
from apps.persistence.store.child import say_ready


class Command(BaseCommand):
    help = "Fill the home connection with a living order example; it goes on until it is ended, or until there are 200,000 events."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rate", type=float, default=DemoOptions().rate, metavar="N", help="commands a second (8)")
        parser.add_argument("--count", type=int, metavar="N", help="end after N commands, without the long history")

    def handle(self, *args: Any, **options: Any) -> None:
        rate, count = options["rate"], options["count"]
        if not 0 < rate <= 1000:
            raise CommandError(f"--rate {rate:g} cannot be kept; give commands per second, above 0 and up to 1000.")
        if count is not None and count < 0:
            raise CommandError(f"--count {count} makes no sense; give the number of commands, from 0.")
        try:
            asyncio.run(self._run(DemoOptions(rate=rate, count=count)))
        except PersistenceError as error:
            raise CommandError(str(error)) from error

    async def _run(self, options: DemoOptions) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with open_store(ConnectionSettings(name="home", **settings.CIM_HOME)) as store:
            await run_demo(store, options, stop, say=self.stdout.write, on_ready=say_ready)
