"""This module is the signer: it reads the leaves of each stream itself, and signs only what extends what it signed before.

The worker's tree tells it how far to go, and what was logged of events that are gone; whatever still lies in the stream must agree with it.
What was signed is on the signer's own disk before anybody sees it. A published checkpoint that its database does not know means that the
database is an old copy, or that another signer has the key: it then signs nothing more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import HistoryRewritten, InvalidInput, RevisionConflict, StreamNotFound, Unavailable
from ..store import Connection, get_stream
from .agreement import agreed_leaves
from .checkpoints import Checkpoint, open_checkpoint, sign_checkpoint
from .frontier import Frontier
from .kept import read_log
from .keys import SigningKey, VerifierKey
from .notes import parse_note
from .published import LogKeys, publish_checkpoint, read_published
from .signed_database import Signed, SignedDatabase
from .witness_client import WitnessClient

SIGN_EVERY_EVENTS = 1000
SIGN_EVERY_SECONDS = 10.0
SIGN_IDLE_SECONDS = 3600.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Turn:
    """When a stream's log was published last by this process, at which size and revision."""

    signed_at: float
    size: int
    revision: int


class Signer:
    """Signs the logs of streams, one look at a time."""

    def __init__(
        self,
        connection: Connection,
        database: SignedDatabase,
        key: SigningKey,
        *,
        witness: WitnessClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`key` bears the bare name of the log; the database has the vkeys before it."""
        self._connection = connection
        self._database = database
        self._key = key
        self._witness = witness
        self._clock = clock
        self._turns: dict[str, _Turn] = {}
        self.keys = LogKeys(name=key.name, vkeys=tuple(VerifierKey.parse(vkey) for vkey, _ in database.vkeys()))

    async def look(self, stream: str) -> Checkpoint | None:
        """Sign the stream's log if it is due, and return what was signed.

        Raises HistoryRewritten where nothing may be signed, InvalidInput where what is published cannot be read, Unavailable.
        """
        state = await read_log(self._connection, stream)
        if state is None:
            return None
        last = self._database.last(self.keys.origin(stream))
        turn = self._turns.get(stream) or await self._begin(stream, last)
        if not self._is_due(turn, state.size - turn.size):
            return None
        tree = await self._extended(stream, last, state.size)
        if tree.size == 0:
            return None
        return await self._sign(stream, last, tree, turn)

    def _is_due(self, turn: _Turn, new: int) -> bool:
        waited = self._clock() - turn.signed_at
        return new >= SIGN_EVERY_EVENTS or waited >= (SIGN_EVERY_SECONDS if new > 0 else SIGN_IDLE_SECONDS)

    async def _extended(self, stream: str, last: Signed, size: int) -> Frontier:
        """The tree that was signed last, with the leaves that came since."""
        await self._check_length(stream, last)
        tree = last.frontier()
        async for agreed in agreed_leaves(self._connection, stream, after=tree.size, last=size):
            tree.append(agreed.leaves)
        return tree

    async def _check_length(self, stream: str, last: Signed) -> None:
        try:
            found = (await get_stream(self._connection, stream)).last_sequence
        except StreamNotFound:
            found = 0
        if found < last.size:
            raise HistoryRewritten(
                f"{stream} ends at {found:,}, and was signed up to {last.size:,}; its tail was cut, or it was made anew."
            )

    async def _sign(self, stream: str, last: Signed, tree: Frontier, turn: _Turn) -> Checkpoint:
        origin = self.keys.origin(stream)
        checkpoint = Checkpoint(origin=origin, size=tree.size, root=tree.root())
        note = sign_checkpoint(checkpoint, self._key.named(origin)).raw
        self._database.advance(last, Signed(origin=origin, size=tree.size, root=checkpoint.root, edge=tree.raw, note=note))
        note = await self._witnessed(stream, note)
        try:
            turn.revision = await publish_checkpoint(self._connection, stream, note, revision=turn.revision)
        except RevisionConflict as error:
            del self._turns[stream]
            raise HistoryRewritten(f"Somebody else published a checkpoint of {stream}; is there a second signer with this key?") from error
        turn.signed_at, turn.size = self._clock(), tree.size
        return checkpoint

    async def _witnessed(self, stream: str, note: bytes) -> bytes:
        """The checkpoint with the witness's signature; as it is where there is no witness or it is away. Raises HistoryRewritten."""
        if self._witness is None:
            return note
        try:
            return parse_note(note).with_signatures(await self._witness.cosign(self._connection, stream, note)).raw
        except Unavailable as error:
            log.warning("the checkpoint of %s has no witness: %s", stream, error)
            return note

    async def _begin(self, stream: str, last: Signed) -> _Turn:
        """Hold the database against what was published and witnessed, and what was signed against the stream. Raises HistoryRewritten."""
        published = await read_published(self._connection, stream, leader=True)
        turn = _Turn(signed_at=self._clock() - SIGN_EVERY_SECONDS, size=0, revision=published.revision if published else 0)
        if published is not None:
            found = open_checkpoint(published.note, self.keys.of(stream), origin=self.keys.origin(stream)).checkpoint
            if found.size > last.size or (found.size == last.size and found.root != last.root):
                raise HistoryRewritten(
                    f"A checkpoint of {stream} at size {found.size:,} is published, and the signer's database knows {last.size:,}: it is "
                    "an old copy, or another signer has the key. Bring the newest copy back; nothing is signed until then."
                )
            turn.size = found.size
        await self._read_again(stream, last)
        if self._witness is not None and last.size > 0:
            await self._witness.cosign(self._connection, stream, last.note)
        self._turns[stream] = turn
        return turn

    async def _read_again(self, stream: str, last: Signed) -> None:
        """Make the tree that was signed anew from the stream, before anything is added to it."""
        await self._check_length(stream, last)
        tree = Frontier()
        async for agreed in agreed_leaves(self._connection, stream, after=0, last=last.size):
            tree.append(agreed.leaves)
        if tree.size < last.size:
            raise InvalidInput(
                f"The log of {stream} is kept to {tree.size:,} only, and was signed to {last.size:,}; let a worker log it first."
            )
        if tree.root() != last.root:
            raise HistoryRewritten(f"What {stream} and its log hold up to {last.size:,} is not what was signed; nothing more is signed.")
