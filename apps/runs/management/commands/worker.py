"""This module is `manage.py worker`: it carries out commands, projections and runs on the home connection until it is told to end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.persistence.errors import PersistenceError
from apps.persistence.operations import DEFAULT_SCHEDULES
from apps.persistence.store import ConnectionSettings, open_store
from apps.persistence.store.child import say_ready
from apps.persistence.work.schedules import set_defaults
from apps.persistence.worker import work
from apps.registry import registry

END_SECONDS = 20.0


class Command(BaseCommand):
    help = "Carry out commands, projections and runs, until told to end. Any number of workers may run, on any machines."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asyncio.run(_work())
        except* PersistenceError as group:
            raise CommandError(str(_first(group))) from group


async def _work() -> None:
    gc.set_threshold(20_000, 50, 100)  # events are made and dropped by the thousand; looking for cycles less often saves a tenth
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _end, stop)
    async with open_store(ConnectionSettings(name="home", **settings.CIM_HOME)) as store:
        if settings.CIM_DEFAULT_SCHEDULES:
            await set_defaults(store.connection, DEFAULT_SCHEDULES)
        await work(store, registry(), stop, on_ready=say_ready)


def _end(stop: asyncio.Event) -> None:
    """Stop, and end in any case soon: a worker may be killed at any moment without a loss, but must not be left behind."""
    stop.set()
    last = threading.Timer(END_SECONDS, os._exit, (1,))
    last.daemon = True
    last.start()


def _first(group: BaseExceptionGroup[PersistenceError]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
