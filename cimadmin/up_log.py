"""This module is the keys of the log that `up` makes before anything starts: that of its signer, and a witness of its own beside it.

So each process is told from its first moment, outside the store, which log is this installation's. A witness on the same machine shows that
the store was put back or rewritten; to hold against whoever rules the machine it must be elsewhere: name that one in CIM_WITNESS.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from apps.persistence.errors import Conflict, PersistenceError
from apps.persistence.log.keys import VerifierKey
from apps.persistence.log.published import publish_keys, read_keys
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.witness import open_witness
from apps.persistence.store.connection import open_connection
from apps.persistence.store.settings import ConnectionSettings

from .supervisor import Program, say

WITNESS_NAME = "witness.local"
FOLDER_SECONDS = 5  # the signer of an `up` that was killed needs a moment to end


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeys:
    """The vkeys of the log since its first, each with the note by which it followed; and the witness of this `up`.

    `port` is None where another witness is named.
    """

    known: tuple[tuple[str, bytes], ...]
    witness_vkey: str = ""
    host: str = "127.0.0.1"
    port: int | None = None

    @property
    def newest(self) -> str:
        """The vkey that signs now. An older one may have been stolen, and could lead elsewhere, too."""
        return self.known[-1][0]

    @property
    def environment(self) -> dict[str, str]:
        """What each process is told."""
        own = {"CIM_LOG_KEY": self.newest}
        return own | ({"CIM_WITNESS": f"http://{self.host}:{self.port}/ {self.witness_vkey}"} if self.port else {})


def make_log_keys(data: Path, *, port: int, is_witness_named: bool) -> LogKeys | None:
    """The keys in the folders `signer` and `witness` of the data, both made where they are missing.

    None where they cannot be used, which is said: the console then runs on, and its signer or witness says the same whenever it is started.
    """
    deadline = time.monotonic() + FOLDER_SECONDS
    while True:
        try:
            return _make(data, port=port, is_witness_named=is_witness_named)
        except Conflict as error:
            if time.monotonic() > deadline:
                say(f"Nobody is told the key of the log: {error}")
                return None
            time.sleep(0.1)
        except PersistenceError as error:
            say(f"Nobody is told the key of the log: {error}")
            return None


def publish_new_key(keys: LogKeys, home: ConnectionSettings) -> None:
    """After a change of key, publish the new one before anybody is told it and finds the older ones alone."""
    if len(keys.known) > 1:
        with suppress(PersistenceError):  # who needs the server says so; the signer publishes its keys, too
            asyncio.run(_publish(keys, home))


async def _publish(keys: LogKeys, home: ConnectionSettings) -> None:
    async with open_connection(home) as connection:
        published = await read_keys(connection)
        if published is not None and keys.newest not in {key.vkey for key in published.vkeys}:
            await publish_keys(connection, keys.known, [key.vkey for key in published.witnesses])


def witness_program(data: Path, keys: LogKeys, environment: Mapping[str, str]) -> Program:
    """The witness, which knows nothing of NATS or the console; it watches the log under its newest key alone."""
    assert keys.port is not None, "a witness of our own has a port"
    named = ("--name", WITNESS_NAME, "--log", keys.newest)
    command = (sys.executable, "-m", "apps.persistence.log.witness", "--folder", str(data / "witness"), *named)
    own = {name: value for name, value in environment.items() if not name.startswith("CIM_")}
    return Program(name="witness", command=(*command, "--port", str(keys.port), "--quiet"), environment=own, is_ready=lambda: True)


def _make(data: Path, *, port: int, is_witness_named: bool) -> LogKeys:
    with ExitStack() as stack:
        known = tuple(stack.enter_context(open_signer_folder(data / "signer")).database.vkeys())
        if is_witness_named:
            return LogKeys(known=known)
        witness = stack.enter_context(open_witness(data / "witness", WITNESS_NAME, [VerifierKey.parse(known[-1][0])]))
        return LogKeys(known=known, witness_vkey=witness.key.verifier.vkey, port=port)
