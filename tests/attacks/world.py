"""This module is one server with everything the product runs on it: connections, a signer with its own folder, and its answers.

There are two in the attacks: the operator's, and one that the attacker has made beside it with the stolen key.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.persistence.log.answering import answer_questions
from apps.persistence.log.kept import ensure_log
from apps.persistence.log.keys import VerifierKey
from apps.persistence.log.published import ensure_checkpoints, publish_keys
from apps.persistence.log.signer import SignerFolder, open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.log.witness_client import WitnessClient
from apps.persistence.store import Connection, Store, ensure_home, open_store
from apps.persistence.store.connection import open_connection
from apps.persistence.store.embedded import EmbeddedServer


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`store` is the worker's, `ruled` is the same with every right on the server, `signing` is the signer's connection."""

    server: EmbeddedServer
    store: Store
    ruled: Store
    signing: Connection
    folder: Path
    opened: SignerFolder
    witness: WitnessClient | None


@asynccontextmanager
async def open_world(server: EmbeddedServer, folder: Path, *, witness: WitnessClient | None) -> AsyncIterator[World]:
    """The product on a server, and the signer whose key lies in `folder`, or is made there; it answers."""
    with open_signer_folder(folder) as opened:
        async with (
            open_store(server.settings("worker")) as store,
            open_store(server.settings("admin")) as ruled,
            open_connection(server.settings("signer")) as signing,
        ):
            await ensure_home(store.connection)
            await ensure_log(store.connection)
            await ensure_checkpoints(store.connection)
            await publish_keys(signing, opened.database.vkeys(), [witness.key.vkey] if witness else [])
            signer = Signer(signing, opened.database, opened.key)
            answers = asyncio.create_task(answer_questions(signing, opened.database, opened.key, signer.find_difference))
            try:
                yield World(server=server, store=store, ruled=ruled, signing=signing, folder=folder, opened=opened, witness=witness)
            finally:
                answers.cancel()
                await asyncio.wait({answers})


@contextmanager
def witness_at(folder: Path, log: VerifierKey) -> Iterator[WitnessClient]:
    """A witness in a process of its own."""
    command = [sys.executable, "-m", "apps.persistence.log.witness", "--folder", folder, "--name", "witness.example", "--log", log.vkey]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            vkey, url = process.stdout.readline().strip(), process.stdout.readline().strip()
            yield WitnessClient.parse(f"{url} {vkey}")
        finally:
            process.terminate()
