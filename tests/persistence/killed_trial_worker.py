"""This module is a worker process that is going to be killed: it knows the operations of trial_operations, with claims of one second."""

from __future__ import annotations

import asyncio
import os
import sys

from apps.persistence.console import load_registry
from apps.persistence.store import ConnectionSettings, open_store
from apps.persistence.work.run_commands import RunCommands
from apps.persistence.worker import work

from .trial_operations import Sum


async def main() -> None:
    url, user, password = sys.argv[1:]
    async with open_store(ConnectionSettings(url=url, user=user, password=password)) as store:
        registry = load_registry([])
        registry.commands["console", "run"] = RunCommands({"sum": Sum}, registry)
        ready = lambda: os.write(1, b"at work\n") and None  # noqa: E731
        await work(store, registry, asyncio.Event(), on_ready=ready, claim_seconds=1, operations={"sum": Sum})


if __name__ == "__main__":
    asyncio.run(main())
