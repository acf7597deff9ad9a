"""`manage.py signer` signs with a key that it makes, one process at a time; `manage.py checkpoint` prints what it signed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from apps.persistence.log.checkpoints import open_checkpoint
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log
from apps.persistence.log.keys import KeyKind, SigningKey, VerifierKey
from apps.persistence.log.published import ensure_checkpoints, publish_keys
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.store import Outgoing, ensure_home, kv_delete, open_store, store_message
from apps.persistence.store.connection import open_connection
from apps.persistence.store.embedded import EmbeddedServer
from cimadmin.up import variables_of

ROOT = Path(__file__).resolve().parents[2]
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
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "signer"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
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


def run(environment: Mapping[str, str], *words: str, command: str = "signer") -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, str(ROOT / "manage.py"), command, *words]
    return subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS)


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


# -- its newest checkpoint ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def log_key(nats_server: EmbeddedServer, environment: Mapping[str, str], tmp_path: Path) -> VerifierKey:
    """The key by which CIM-CONSOLE was signed, with one event in it."""
    async with open_store(nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        await ensure_log(store.connection)
        await store_message(store.connection, Outgoing("cim.console.note.n1.written.v1", b"anything", {}))
        await LogFeeder(store.connection, "CIM-CONSOLE").feed()
        await kv_delete(store.connection, "cim-log-checkpoints", "CIM-CONSOLE")
        with open_signer_folder(tmp_path / "signer") as opened:
            await publish_keys(store.connection, opened.database.vkeys())
            await Signer(store.connection, opened.database, opened.key).look("CIM-CONSOLE")
            return opened.key.verifier


def test_newest_checkpoint_is_printed_as_it_was_signed(environment: Mapping[str, str], log_key: VerifierKey) -> None:
    done = run({**environment, "CIM_LOG_KEY": log_key.vkey}, "CIM-CONSOLE", command="checkpoint")

    origin = f"{log_key.name}/CIM-CONSOLE"
    assert open_checkpoint(done.stdout.encode(), [log_key.named(origin)], origin=origin).checkpoint.size > 0, done.stderr


def test_checkpoint_of_another_log_than_was_told_is_not_printed(environment: Mapping[str, str], log_key: VerifierKey) -> None:
    told = SigningKey.generate(log_key.name, KeyKind.LOG).verifier

    done = run({**environment, "CIM_LOG_KEY": told.vkey}, "CIM-CONSOLE", command="checkpoint")

    assert (done.returncode, done.stdout) == (1, "")
    assert "another log was put in the place of this one" in done.stderr


def test_checkpoint_of_a_stream_that_nobody_signed_is_not_there(environment: Mapping[str, str], log_key: VerifierKey) -> None:
    done = run(environment, "NOTHING", command="checkpoint")

    assert (done.returncode, done.stdout) == (1, "")
    assert "No checkpoint of NOTHING is published" in done.stderr
