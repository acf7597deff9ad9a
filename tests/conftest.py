"""This module is the fixtures that every suite shares: a real nats-server, and other people's test vectors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.persistence.store.embedded import EmbeddedServer

from .fixtures import FIXTURES


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One running server for the whole run. A test that stops it takes `own_nats_server`."""
    with EmbeddedServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def own_nats_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A running server of this test alone, to stop, kill and start again."""
    with EmbeddedServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture(scope="session")
def fixtures_dir() -> Path:
    """The folder of other people's test vectors. Without it the test is skipped, or fails where CIM_REQUIRE_FIXTURES=1 asks for it."""
    if FIXTURES.is_dir():
        return FIXTURES
    reason = f"There are no test vectors in {FIXTURES}; set CIM_FIXTURES to the folder that holds them."
    if os.environ.get("CIM_REQUIRE_FIXTURES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
