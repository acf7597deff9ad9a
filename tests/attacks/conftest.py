"""This module is the stage that all tests of attacks share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from apps.persistence.store.embedded import EmbeddedServer

from .stage import Stage, open_stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(nats_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("attacks")
    with EmbeddedServer(folder / "false") as false_server:
        async with open_stage(nats_server, false_server, folder) as opened:
            yield opened
