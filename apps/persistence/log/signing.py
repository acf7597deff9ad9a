"""This module is the signer: it reads the leaves of each stream itself, and signs only what extends what it signed before.

The worker's tree tells it how far to go, and what was logged of events that are gone; whatever still lies in the stream must agree with it.
What was signed is on the signer's own disk before anybody sees it. A published checkpoint that its database does not know means that the
database is an old copy, or that another signer has the key: it then signs nothing more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ..errors import HistoryRewritten, InvalidInput, LogIncomplete, RevisionConflict, StreamNotFound, Unavailable
from ..store import Connection, get_stream
from .agreement import agreed_leaves
from .answers import Difference
from .checkpoints import Checkpoint, is_signed_by, sign_checkpoint
from .difference import find_at_some_places, find_difference, rewritten
from .frontier import Frontier
from .kept import LogState, read_log
from .keys import SigningKey, VerifierKey
from .leaves import Leaf
from .notes import parse_note
from .published import keys_from, publish_checkpoint, read_published, vacant_at
from .signed_database import Signed, SignedDatabase
from .signed_leaves import SignedLeaves
from .witness_client import WitnessClient

SIGN_EVERY_EVENTS = 1000
SIGN_EVERY_SECONDS = 10.0
SIGN_IDLE_SECONDS = 3600.0
ASK_AGAIN_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Turn:
    """When a stream's log was published last by this process, at which size and revision.

    `created` is when the server says that it made the stream, `checked_at` when what was signed was last held against it;
    `is_witnessed` says that what is published has the witness's signature, or that there is no witness.
    """

    signed_at: float
    size: int
    revision: int
    created: datetime | None
    checked_at: float
    is_witnessed: bool = True


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
        self._ask_at = 0.0
        self._turns: dict[str, _Turn] = {}
        known = database.vkeys()
        self.keys = keys_from(VerifierKey.parse(known[0][0]), [note for _, note in known[1:]])

    @property
    def witness_vkeys(self) -> list[str]:
        """The key of its witness, where it has one."""
        return [self._witness.key.vkey] if self._witness else []

    async def look(self, stream: str) -> Checkpoint | None:
        """Sign the stream's log if it is due, and return what was signed; what was published and is gone is due at once.

        Raises HistoryRewritten and LogIncomplete where nothing may be signed, InvalidInput where what is published cannot be
        read, Unavailable.
        """
        last = self._database.last(self.keys.origin(stream))
        created = await self._check_length(stream, last)
        state = await self._kept(stream, last)
        if state is None:
            return None
        turn = self._turns.get(stream)
        if turn is None or turn.created != created:
            turn = await self._begin(stream, last, created)
        elif turn.size and (vacant := await vacant_at(self._connection, stream)) is not None:
            turn.revision, turn.size, turn.signed_at = vacant, 0, self._clock() - SIGN_EVERY_SECONDS
        await self._check_some(stream, last, turn)
        if not self._is_due(turn, state.size - turn.size):
            await self._join_late(stream, last, turn)
            return None
        tree = await self._extended(stream, last, state.size)
        if tree.size == 0:
            return None
        return await self._sign(stream, last, tree, turn)

    def _is_due(self, turn: _Turn, new: int) -> bool:
        waited = self._clock() - turn.signed_at
        return new >= SIGN_EVERY_EVENTS or waited >= (SIGN_EVERY_SECONDS if new > 0 else SIGN_IDLE_SECONDS)

    def forget(self, stream: str) -> None:
        """Begin anew with this stream, by reading all of it, at the next look."""
        self._turns.pop(stream, None)

    def has_signed(self, stream: str, leaves: Iterable[Leaf]) -> bool:
        """Whether all these leaves of a stream were signed, as they are."""
        signed, copy = self._database.last(self.keys.origin(stream)).size, self._copy(stream)
        return all(
            leaf.sequence <= signed and copy.is_there and copy.read(after=leaf.sequence - 1, last=leaf.sequence) == [leaf.raw]
            for leaf in leaves
        )

    async def find_difference(self, stream: str, signed: Signed) -> Difference | None:
        """The first leaf that is not what was signed; reads the whole stream. Raises InvalidInput where its own copy is not whole."""
        copy = self._copy(stream)
        copy.check(signed)
        return await find_difference(self._connection, stream, copy, signed.size) if signed.size else None

    def _copy(self, stream: str) -> SignedLeaves:
        return SignedLeaves(self._database.folder, stream)

    async def _kept(self, stream: str, last: Signed) -> LogState | None:
        """The state of the kept tree; None where there is none yet.

        Raises LogIncomplete where it lacks what was signed, and HistoryRewritten where what is there of it, or the stream, is not that.
        """
        state = await read_log(self._connection, stream)
        if last.size > 0 and (state is None or state.size < last.size):
            state = await read_log(self._connection, stream, leader=True)
        if last.size > 0 and (state is None or state.size < last.size):
            await self._check_rest(stream, last, state)
            gone = f"ends at {state.size:,}; the rest of it" if state else "is gone; it"
            raise LogIncomplete(
                f"The kept log of {stream} {gone} was signed up to {last.size:,}, and a worker logs it again. The stream is signed on "
                "within seconds of that, if it is still what was signed."
            )
        return state

    async def _check_rest(self, stream: str, last: Signed, state: LogState | None) -> None:
        """Raise HistoryRewritten where what is left of the kept tree, or some events that the stream holds, are not what was signed.

        All of them are read once the tree is there again.
        """
        copy = self._copy(stream)
        if not copy.is_there or last.size == 0:
            return
        if state is not None and copy.root_at(state.size) != state.root:
            raise HistoryRewritten(
                f"The kept log of {stream} ends at {state.size:,} and is not what was signed there, up to {last.size:,}; somebody changed "
                "it. The stream is signed on once a worker has logged it again, if it is still what was signed."
            )
        if some := await find_at_some_places(self._connection, stream, copy, last.size, is_held=True):
            raise rewritten(stream, last.size, some)

    async def _extended(self, stream: str, last: Signed, size: int) -> Frontier:
        """The tree that was signed last, with the leaves that came since, which are in the copy now."""
        tree = last.frontier()
        with self._copy(stream).appending(tree.size) as add:
            async for agreed in agreed_leaves(self._connection, stream, after=tree.size, last=size):
                tree.append(agreed.leaves)
                add(agreed.leaves)
        return tree

    async def _check_length(self, stream: str, last: Signed) -> datetime | None:
        """When the stream was made. Raises HistoryRewritten where it ends before what was signed."""
        try:
            info = await get_stream(self._connection, stream)
            found, created = info.last_sequence, info.created
        except StreamNotFound:
            found, created = 0, None
        if found >= last.size:
            return created
        text = f"{stream} ends at {found:,}, and was signed up to {last.size:,}; its tail was cut, or it was made anew."
        difference = await self.find_difference(stream, last) if self._copy(stream).is_there else None
        raise HistoryRewritten(f"{text} {rewritten(stream, last.size, difference)}" if difference else text)

    async def _check_some(self, stream: str, last: Signed, turn: _Turn) -> None:
        """Hold some of what was signed against the stream, as the server may give something else than it gave before."""
        if last.size == 0 or self._clock() < turn.checked_at + SIGN_EVERY_SECONDS:
            return
        if some := await find_at_some_places(self._connection, stream, self._copy(stream), last.size):
            raise rewritten(stream, last.size, await self.find_difference(stream, last) or some)
        turn.checked_at = self._clock()

    async def _sign(self, stream: str, last: Signed, tree: Frontier, turn: _Turn) -> Checkpoint:
        origin = self.keys.origin(stream)
        checkpoint = Checkpoint(origin=origin, size=tree.size, root=tree.root())
        note = sign_checkpoint(checkpoint, self._key.named(origin)).raw
        self._database.advance(last, Signed(origin=origin, size=tree.size, root=checkpoint.root, edge=tree.raw, note=note))
        await self._publish(stream, await self._witnessed(stream, note), turn)
        turn.signed_at, turn.size = self._clock(), tree.size
        return checkpoint

    async def _join_late(self, stream: str, last: Signed, turn: _Turn) -> None:
        """Publish what was signed last once more, with the signature of a witness that was away then."""
        if turn.is_witnessed or turn.size != last.size or self._clock() < self._ask_at:
            return
        note = await self._witnessed(stream, last.note)
        if self._is_witnessed(note):
            await self._publish(stream, note, turn)

    async def _publish(self, stream: str, note: bytes, turn: _Turn) -> None:
        """Publish a checkpoint in the place of the one that this signer published last. Raises HistoryRewritten where there is another."""
        try:
            turn.revision = await publish_checkpoint(self._connection, stream, note, revision=turn.revision)
        except RevisionConflict as error:
            del self._turns[stream]
            raise HistoryRewritten(
                f"Somebody else changed the published checkpoint of {stream}; is there a second signer with this key?"
            ) from error
        turn.is_witnessed = self._is_witnessed(note)

    async def _witnessed(self, stream: str, note: bytes) -> bytes:
        """The checkpoint with the witness's signature; as it is where there is no witness or it is away. Raises HistoryRewritten.

        One that is away is asked again after some seconds only, about whichever stream, as each of them would wait for it.
        """
        if self._witness is None or self._clock() < self._ask_at:
            return note
        try:
            return parse_note(note).with_signatures(await self._witness.cosign(self._connection, stream, note)).raw
        except Unavailable as error:
            log.warning("the checkpoint of %s has no witness: %s", stream, error)
            self._ask_at = self._clock() + ASK_AGAIN_SECONDS
            return note

    def _is_witnessed(self, note: bytes) -> bool:
        """Whether a checkpoint has the witness's signature, or there is no witness."""
        return self._witness is None or is_signed_by(note, self._witness.key)

    async def _begin(self, stream: str, last: Signed, created: datetime | None) -> _Turn:
        """Hold the database against what was published and witnessed, and what was signed against the stream. Raises HistoryRewritten."""
        vacant = await vacant_at(self._connection, stream)
        published = await read_published(self._connection, stream, leader=True) if vacant is None else None
        revision = published.revision if published else vacant or 0
        now = self._clock()
        turn = _Turn(signed_at=now - SIGN_EVERY_SECONDS, size=0, revision=revision, created=created, checked_at=now)
        if published is not None:
            found = self.keys.open(stream, published.note).checkpoint
            if found.size > last.size or (found.size == last.size and found.root != last.root):
                raise HistoryRewritten(
                    f"A checkpoint of {stream} at size {found.size:,} is published, and the signer's database knows {last.size:,}: it is "
                    "an old copy, or another signer has the key. Bring the newest copy back; nothing is signed until then."
                )
            turn.size = found.size
            is_mine = is_signed_by(published.note, self._key.named(found.origin).verifier)
            turn.signed_at = now - (SIGN_EVERY_SECONDS if is_mine else SIGN_IDLE_SECONDS)
            turn.is_witnessed = self._is_witnessed(published.note)
        await self._read_again(stream, last)
        last = self._renewed(last)
        if self._witness is not None and last.size > 0:
            await self._witness.cosign(self._connection, stream, last.note)
        self._turns[stream] = turn
        return turn

    def _renewed(self, last: Signed) -> Signed:
        """What was signed last, by the key of now: a witness that was told this one alone knows no other."""
        key = self._key.named(last.origin)
        if last.size == 0 or is_signed_by(last.note, key.verifier):
            return last
        note = sign_checkpoint(Checkpoint(origin=last.origin, size=last.size, root=last.root), key).raw
        renewed = replace(last, note=note)
        self._database.advance(last, renewed)
        return renewed

    async def _read_again(self, stream: str, last: Signed) -> None:
        """Hold what was signed against the stream, before anything is added to it; a folder without a copy of the leaves gets one."""
        if self._copy(stream).is_there or last.size == 0:
            if difference := await self.find_difference(stream, last):
                raise rewritten(stream, last.size, difference)
            return
        tree, draft = Frontier(), self._copy(stream).draft()
        with draft.appending(0) as add:
            async for agreed in agreed_leaves(self._connection, stream, after=0, last=last.size):
                tree.append(agreed.leaves)
                add(agreed.leaves)
        if tree.size < last.size:
            raise InvalidInput(
                f"The log of {stream} is kept to {tree.size:,} only, and was signed to {last.size:,}; let a worker log it first."
            )
        if tree.root() != last.root:
            raise HistoryRewritten(f"What {stream} and its log hold up to {last.size:,} is not what was signed; nothing more is signed.")
        self._copy(stream).take(draft)
