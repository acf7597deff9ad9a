"""`manage.py signer` signs with a key that it makes, one process at a time, and ends when it is told to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from apps.persistence.log.published import ensure_checkpoints
from apps.persistence.store.connection import open_connection
from apps.persistence.store.embedded import EmbeddedServer
from cimadmin.up import variables_of

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, str(ROOT / "manage.py"), "signer")
DEADLINE_SECONDS = 120


@pytest.fixture
async def environment(nats_server: EmbeddedServer, tmp_path: Path) -> Mapping[str, str]:
    """The environment of a signer, on a server whose worker has made the buckets."""
    async with open_connection(nats_server.settings("worker")) as connection:
        await ensure_checkpoints(connection)
    own = {"CIM_DATA": str(tmp_path), "CIM_SECRET_KEY": "s" * 40, "CIM_READY_FILE": str(tmp_path / "ready")}
    return (
        {name: value for name, value in os.environ.items() if not name.startswith("CIM_")}
        | own
        | variables_of(nats_server.settings("signer"))
    )


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A signer that is at work."""
    process = subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + DEADLINE_SECONDS
    try:
        while not Path(environment["CIM_READY_FILE"]).exists():
            assert process.poll() is None, process.stdout and process.stdout.read()
            assert time.monotonic() < deadline, "the signer did not begin"
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def run(environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS)


def test_signer_makes_its_key_and_is_the_only_one(environment: Mapping[str, str], tmp_path: Path) -> None:
    with running(environment) as first:
        second = run(environment)

    assert first.returncode == 0
    assert second.returncode == 1
    assert "two never sign at once" in second.stderr
    assert "Traceback" not in second.stderr
    assert (tmp_path / "signer" / "log.key").stat().st_mode & 0o777 == 0o600


def test_key_is_changed_and_the_old_one_has_signed_that(environment: Mapping[str, str]) -> None:
    done = run(environment, "--change-key")

    assert "signs from the next start on" in done.stdout
    assert done.returncode == 0
