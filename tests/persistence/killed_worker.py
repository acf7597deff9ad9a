"""This module is a worker process that is going to be killed: the real worker, with claims of one second."""

from __future__ import annotations

import asyncio
import os
import sys

from apps.persistence.console import load_registry
from apps.persistence.registry import StreamChanges
from apps.persistence.store import ConnectionSettings, open_store
from apps.persistence.worker import work


async def main() -> None:
    url, user, password, *domains = sys.argv[1:]
    async with open_store(ConnectionSettings(url=url, user=user, password=password)) as store:
        registry = load_registry(domains or ["tests.persistence.replay_domain"], stream_changes=StreamChanges(are_allowed=True))
        await work(store, registry, asyncio.Event(), on_ready=lambda: os.write(1, b"at work\n") and None, claim_seconds=1)


if __name__ == "__main__":
    asyncio.run(main())
