"""This module is helpers for tests of what is known of a log outside the store: a signer that answers, and a witness in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from apps.persistence.errors import InvalidInput, Unavailable
from apps.persistence.log.anchors import ask_signer
from apps.persistence.log.answering import answer_questions
from apps.persistence.log.keys import VerifierKey
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signer import SignerFolder
from apps.persistence.log.trust import Trust
from apps.persistence.log.witness import open_witness, serving

from .signing_stage import SigningStage


@asynccontextmanager
async def answering(stage: SigningStage, folder: SignerFolder) -> AsyncIterator[Trust]:
    """The keys are published, and the signer answers; what a process is told of it."""
    await publish_keys(stage.connection, folder.database.vkeys())
    trust = Trust(log_key=folder.key.verifier)
    signer = stage.signer_of(folder)
    task = asyncio.create_task(answer_questions(stage.connection, folder.database, folder.key, signer.find_difference))
    try:
        for _ in range(1500):
            if await _answers(stage, trust):
                break
            await asyncio.sleep(0.02)
        yield trust
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _answers(stage: SigningStage, trust: Trust) -> bool:
    try:
        await ask_signer(stage.raw.store.connection, stage.stream, trust, timeout_seconds=1)
    except (Unavailable, InvalidInput):
        return False
    return True


@contextmanager
def witness_at(folder: Path, log: VerifierKey, *, port: int = 0) -> Iterator[str]:
    """A witness in a thread, as `CIM_WITNESS` names it."""
    named: list[str] = []
    stops: list[Callable[[], None]] = []
    started = threading.Event()

    def serve() -> None:
        with open_witness(folder, "witness.example", [log]) as witness, serving(witness, "127.0.0.1", port) as server:
            named.append(f"http://127.0.0.1:{server.server_port}/ {witness.key.verifier.vkey}")
            stops.append(server.shutdown)
            started.set()
            server.serve_forever(poll_interval=0.02)

    thread = threading.Thread(target=serve)
    thread.start()
    assert started.wait(30)
    try:
        yield named[0]
    finally:
        stops[0]()
        thread.join(30)
