"""This module is the fixtures that every suite shares: a real nats-server, and other people's test vectors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.persistence.store.embedded import EmbeddedServer

REPOSITORY = Path(__file__).resolve().parent.parent


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
    """The folder of other people's test vectors: `CIM_FIXTURES`, else `shared/fixtures` beside the repository.

    Without them the test is skipped, or fails where CIM_REQUIRE_FIXTURES=1 says that they must be there.
    """
    folder = Path(os.environ.get("CIM_FIXTURES") or REPOSITORY.parent / "shared" / "fixtures")
    if folder.is_dir():
        return folder
    reason = f"There are no test vectors in {folder}; set CIM_FIXTURES to the folder that holds them."
    if os.environ.get("CIM_REQUIRE_FIXTURES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
