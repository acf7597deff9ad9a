"""This module is a worker process that is going to be killed: it carries out the saga of the tests, or hangs behind its first command."""

from __future__ import annotations

import asyncio
import os
import sys

from apps.persistence.console import load_registry
from apps.persistence.registry import Command, CommandHandler
from apps.persistence.store import ConnectionSettings, Store, open_store
from apps.persistence.worker import work

from .saga_domain import LEDGER


def hanging(handler: CommandHandler) -> CommandHandler:
    """Carries out the command, and never says so."""

    async def handle(store: Store, command: Command) -> None:
        await handler(store, command)
        await asyncio.Event().wait()

    return handle


async def main() -> None:
    url, user, password, how = sys.argv[1:]
    async with open_store(ConnectionSettings(url=url, user=user, password=password)) as store:
        registry = load_registry(["tests.domain.saga_domain"])
        if how == "hang":
            registry.commands[LEDGER.key] = hanging(registry.commands[LEDGER.key])
        await work(store, registry, asyncio.Event(), on_ready=lambda: os.write(1, b"at work\n") and None, claim_seconds=1)


if __name__ == "__main__":
    asyncio.run(main())
