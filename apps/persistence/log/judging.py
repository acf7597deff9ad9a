"""This module is judging a checkpoint that somebody kept: is today's log the one that it was taken from, only longer?

The proof is made from the kept tiles and checked against two signatures: that on the checkpoint that was brought, and that on the newest.
As far as the stream is short enough, its events are read again too, and must have the root that was brought.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..errors import HistoryRewritten, InvalidInput, InvalidProof
from ..store import Connection
from .agreement import agreed_leaves
from .checkpoints import Checkpoint, SignedCheckpoint, open_checkpoint
from .coverage import Coverage, read_coverage
from .frontier import Frontier
from .kept import prove_consistency
from .proofs import check_consistency
from .trust import NO_TRUST, Trust

READ_AGAIN = 20_000
"""Up to this size the events are read again while a person waits."""


class Standing(StrEnum):
    """How a checkpoint stands to the log of today."""

    EXTENDED = "extended"
    REWRITTEN = "rewritten"
    FUTURE = "future"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was found. `read_again` says whether the events themselves were read, `proof` is that of consistency."""

    stream: str
    standing: Standing
    reason: str
    brought: SignedCheckpoint | None
    newest: Checkpoint | None
    proof: tuple[bytes, ...] = ()
    read_again: bool = False


async def judge_checkpoint(connection: Connection, stream: str, raw: bytes, trust: Trust = NO_TRUST) -> Judgement:
    """Judge a checkpoint of this stream's log. Raises Unavailable; whatever is wrong with the checkpoint or the log is in the judgement."""
    coverage = await read_coverage(connection, stream, trust)
    brought: SignedCheckpoint | None = None
    newest = coverage.checkpoint.checkpoint if coverage.checkpoint else None
    try:
        if coverage.keys is None or newest is None:
            return _judged(coverage, Standing.UNKNOWN, coverage.problem or f"Nothing of {stream} is signed yet; a signer does that.")
        brought = open_checkpoint(raw, coverage.keys.of(stream), origin=coverage.keys.origin(stream))
        return await _compare(connection, coverage, brought, newest)
    except (InvalidProof, HistoryRewritten) as error:
        return _judged(coverage, Standing.REWRITTEN, str(error), brought)
    except InvalidInput as error:
        return _judged(coverage, Standing.REFUSED, str(error))


async def _compare(connection: Connection, coverage: Coverage, brought: SignedCheckpoint, newest: Checkpoint) -> Judgement:
    old = brought.checkpoint
    if old.size == 0:
        raise InvalidInput("The checkpoint is of a log without a single event, which every log extends; it proves nothing.")
    if old.size > newest.size or old.size > coverage.last:
        reason = (
            f"It covers {old.size:,} events, and today's log is signed to {newest.size:,} and the stream ends at {coverage.last:,}: "
            "the server was rolled back, its tail was cut, or it is another server."
        )
        return _judged(coverage, Standing.FUTURE, reason, brought)
    proof: list[bytes] = []
    if old.size < newest.size:
        proof = await prove_consistency(connection, coverage.stream, old_size=old.size, new_size=newest.size)
    check_consistency(old_size=old.size, old_root=old.root, new_size=newest.size, new_root=newest.root, proof=proof)
    is_read = old.size <= READ_AGAIN
    if is_read:
        await _read_again(connection, coverage.stream, old)
    return Judgement(
        stream=coverage.stream,
        standing=Standing.EXTENDED,
        reason="",
        brought=brought,
        newest=newest,
        proof=tuple(proof),
        read_again=is_read,
    )


async def _read_again(connection: Connection, stream: str, old: Checkpoint) -> None:
    """Make the tree that was brought anew from the events. Raises HistoryRewritten where it is another."""
    tree = Frontier()
    async for agreed in agreed_leaves(connection, stream, after=0, last=old.size):
        tree.append(agreed.leaves)
    if (tree.size, tree.root()) != (old.size, old.root):
        raise HistoryRewritten(
            f"The first {old.size:,} events of {stream} have the root {tree.root().hex()}, and {old.root.hex()} was signed."
        )


def _judged(coverage: Coverage, standing: Standing, reason: str, brought: SignedCheckpoint | None = None) -> Judgement:
    newest = coverage.checkpoint.checkpoint if coverage.checkpoint else None
    return Judgement(stream=coverage.stream, standing=standing, reason=reason, brought=brought, newest=newest)
