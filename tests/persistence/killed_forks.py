"""This module is workers that are going to be killed, many of them: one process imports everything once and forks a worker for each line.

Started as `python -m tests.persistence.killed_forks URL USER PASSWORD DOMAIN`. Each worker is a process of its own with its own connection.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from apps.persistence.console import load_registry
from apps.persistence.operations import verify
from apps.persistence.store import ConnectionSettings, open_store
from apps.persistence.worker import work

RANGE_EVENTS = 200
"""A verification reads so many in one go, so that one of a thousand events has several ranges."""


async def work_until_killed(url: str, user: str, password: str, domain: str) -> None:
    async with open_store(ConnectionSettings(url=url, user=user, password=password)) as store:
        said = f"{os.getpid()}\n".encode()
        await work(store, load_registry([domain]), asyncio.Event(), on_ready=lambda: os.write(1, said) and None, claim_seconds=1)


def main() -> None:
    verify.PART_EVENTS = RANGE_EVENTS
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed ones are reaped by the system
    for _ in sys.stdin:
        if os.fork() == 0:
            asyncio.run(work_until_killed(*sys.argv[1:]))


if __name__ == "__main__":
    main()
