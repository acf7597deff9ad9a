"""This module is the keys of the log that `up` makes before anything starts: that of its signer, and a witness of its own beside it.

So each process is told from its first moment, outside the store, which log is this installation's. A witness on the same machine shows that
the store was put back or rewritten; to hold against whoever rules the machine it must be elsewhere: name that one in CIM_WITNESS.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from apps.persistence.errors import Conflict, PersistenceError
from apps.persistence.log.keys import VerifierKey
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.witness import open_witness

from .supervisor import Program, say

WITNESS_NAME = "witness.local"
FOLDER_SECONDS = 5  # the signer of an `up` that was killed needs a moment to end


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeys:
    """The vkeys of the log since its first, and the witness of this `up`; `port` is None where another one is named."""

    vkeys: tuple[str, ...]
    witness_vkey: str = ""
    host: str = "127.0.0.1"
    port: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What each process is told."""
        own = {"CIM_LOG_KEY": self.vkeys[0]}
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


def witness_program(data: Path, keys: LogKeys, environment: Mapping[str, str]) -> Program:
    """The witness, which knows nothing of NATS or the console; it watches the log under each of its keys."""
    assert keys.port is not None, "a witness of our own has a port"
    logs = [word for vkey in keys.vkeys for word in ("--log", vkey)]
    command = (sys.executable, "-m", "apps.persistence.log.witness", "--folder", str(data / "witness"), "--name", WITNESS_NAME, *logs)
    own = {name: value for name, value in environment.items() if not name.startswith("CIM_")}
    return Program(name="witness", command=(*command, "--port", str(keys.port), "--quiet"), environment=own, is_ready=lambda: True)


def _make(data: Path, *, port: int, is_witness_named: bool) -> LogKeys:
    with ExitStack() as stack:
        vkeys = [vkey for vkey, _ in stack.enter_context(open_signer_folder(data / "signer")).database.vkeys()]
        if is_witness_named:
            return LogKeys(vkeys=tuple(vkeys))
        witness = stack.enter_context(open_witness(data / "witness", WITNESS_NAME, [VerifierKey.parse(vkey) for vkey in vkeys]))
        return LogKeys(vkeys=tuple(vkeys), witness_vkey=witness.key.verifier.vkey, port=port)
