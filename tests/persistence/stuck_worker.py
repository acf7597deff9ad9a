"""This module is a worker that takes one command and never finishes it, for a test that kills it. Run with a server's URL and password."""

from __future__ import annotations

import asyncio
import sys

from apps.persistence.registry import Command, Domain, Registry
from apps.persistence.store import ConnectionSettings, Store, open_store
from apps.persistence.work.commands import consume_commands


async def hold(store: Store, command: Command) -> None:
    print("holding", command.id, flush=True)
    await asyncio.Event().wait()


async def main(url: str, password: str) -> None:
    registry = Registry([Domain(name="stuck", title="Stuck", commands={("shop", "counter"): hold})])
    async with open_store(ConnectionSettings(url=url, user="worker", password=password)) as store:
        await consume_commands(store, registry, asyncio.Event(), ack_wait_seconds=1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
