"""This module is a runner that is going to be killed: it applies a projection slowly and says a line after each batch."""

from __future__ import annotations

import asyncio
import os
import sys

from apps.persistence.projections import Orders, Progress, run_projection
from apps.persistence.store import ConnectionSettings, open_store

from .projecting import Case


async def main() -> None:
    url, user, password, context, name = sys.argv[1:]

    async def say(progress: Progress) -> None:
        os.write(1, b"batch\n")

    async with open_store(ConnectionSettings(url=url, user=user, password=password)) as store:
        definition = Case(store=store, context=context).definition(name=name, rate_limit=2_000.0)
        await run_projection(store, definition, 1, Orders(until=10**12, on_progress=say))


if __name__ == "__main__":
    asyncio.run(main())
