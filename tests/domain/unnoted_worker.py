"""This module is a worker that carries commands to orders out and never comes to note its answers, for a test that kills it.

Run with a server's URL and password.
"""

from __future__ import annotations

import asyncio
import sys

from apps.domain.cqrs import CommandAck, acknowledged
from apps.persistence.registry import load_domains
from apps.persistence.store import Connection, ConnectionSettings, open_store
from apps.persistence.work.commands import consume_commands


async def hang(connection: Connection, answer: CommandAck) -> CommandAck:
    print("appended", answer.command_id, flush=True)
    await asyncio.Event().wait()
    return answer


async def main(url: str, password: str) -> None:
    acknowledged._note = hang
    async with open_store(ConnectionSettings(url=url, user="worker", password=password)) as store:
        await consume_commands(store, load_domains(["apps.domain"]), asyncio.Event(), ack_wait_seconds=1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
