"""This module is judging a checkpoint that somebody kept: is today's log the one that it was taken from, only longer?

The proof is made from the kept tiles and checked against two signatures: that on the checkpoint that was brought, and that on the newest.
As far as the stream is short enough, its events are read again too, and must have the root that was brought. Tiles that are missing or
damaged are made again from the events; where that is too much or not possible, nothing can be compared now, which is no alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..errors import HistoryRewritten, InvalidInput, InvalidProof
from ..store import Connection
from .checkpoints import Checkpoint, SignedCheckpoint
from .coverage import Coverage, read_coverage
from .kept import read_tiles
from .proofs import check_consistency
from .remade import Remade, remake_tree
from .spans import Span, consistency_spans
from .tiles import Tiles, root_of, span_hash, tiles_of_spans
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
    INCOMPARABLE = "incomparable"


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
            return _judged(coverage, Standing.UNKNOWN, coverage.problem or _not_published(stream))
        brought = coverage.keys.open(stream, raw)
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
    if old.size == newest.size:
        check_consistency(old_size=old.size, old_root=old.root, new_size=newest.size, new_root=newest.root, proof=())
    proof, is_read = await _prove(connection, coverage.stream, old, newest)
    if proof is None:
        return _judged(coverage, Standing.INCOMPARABLE, _cannot(coverage.stream), brought)
    return Judgement(
        stream=coverage.stream,
        standing=Standing.EXTENDED,
        reason="",
        brought=brought,
        newest=newest,
        proof=tuple(proof),
        read_again=is_read,
    )


async def _prove(connection: Connection, stream: str, old: Checkpoint, newest: Checkpoint) -> tuple[list[bytes] | None, bool]:
    """The proof, None where nothing can be compared now, and whether the events were read. Raises HistoryRewritten, InvalidProof."""
    spans = [Span(0, newest.size), Span(0, old.size), *consistency_spans(old.size, newest.size)]
    proof = _proof(await read_tiles(connection, stream, tiles_of_spans(spans)), old, newest)
    last = newest.size if proof is None else old.size
    if last > READ_AGAIN:
        return proof, False
    remade = await remake_tree(connection, stream, last=last)
    if proof is None:
        proof = _proof_again(stream, remade, old, newest)
    if proof is None or not _are_known(stream, remade, old):
        return None, True
    return proof, True


def _proof(tiles: Tiles, old: Checkpoint, newest: Checkpoint) -> list[bytes] | None:
    """The proof that these tiles give; None where they lack something, or do not lead to the root that was signed last.

    Raises InvalidProof where they do, and the log that was signed last does not begin with the older one.
    """
    sizes = {"old_size": old.size, "new_size": newest.size}
    try:
        if root_of(tiles, newest.size) != newest.root:
            return None
        proof = [span_hash(tiles, span) for span in consistency_spans(old.size, newest.size)]
        check_consistency(**sizes, old_root=root_of(tiles, old.size), new_root=newest.root, proof=proof)
    except InvalidProof:
        return None
    check_consistency(**sizes, old_root=old.root, new_root=newest.root, proof=proof)
    return proof


def _proof_again(stream: str, remade: Remade, old: Checkpoint, newest: Checkpoint) -> list[bytes] | None:
    """The proof by the events themselves, None where too few of them are known. Raises HistoryRewritten, InvalidProof."""
    if remade.size == newest.size and (proof := _proof(remade.tiles, old, newest)) is not None:
        return proof
    _check_root(stream, remade, newest)
    return None


def _are_known(stream: str, remade: Remade, old: Checkpoint) -> bool:
    """Whether the events have the root that was brought; not so where too few of them are known. Raises HistoryRewritten."""
    if remade.size >= old.size and root_of(remade.tiles, old.size) == old.root:
        return True
    _check_root(stream, remade, old)
    return False


def _check_root(stream: str, remade: Remade, signed: Checkpoint) -> None:
    """Raise HistoryRewritten where a tree made again, which lacks the root that was signed, contradicts it, and is not only incomplete."""
    if remade.differing is not None:
        now, before = remade.differing
        raise HistoryRewritten(
            f"{stream} holds {now.cid or 'nothing'} at sequence {now.sequence:,}, and its log says {before.cid or 'nothing'}; "
            "the stream or the log was changed after it was written. Verify the stream."
        )
    if remade.size < signed.size or remade.unknown:
        return
    root = root_of(remade.tiles, signed.size).hex()
    raise HistoryRewritten(f"The first {signed.size:,} events of {stream} have the root {root}, and {signed.root.hex()} was signed.")


def _not_published(stream: str) -> str:
    return (
        f"No signer's checkpoint of {stream} is published, so nothing of today can be held against yours. A signer that runs publishes its "
        "newest within seconds, also where somebody removed it; bring yours again then."
    )


def _cannot(stream: str) -> str:
    return (
        f"The kept log of {stream} lacks tiles that the comparison needs, or they are damaged. Bring the checkpoint again in a minute: a "
        "worker logs what is gone again. If it stays so, hold the log against its stream with mend (check-log), which writes them anew, "
        "what is gone from the stream by the signer's copy."
    )


def _judged(coverage: Coverage, standing: Standing, reason: str, brought: SignedCheckpoint | None = None) -> Judgement:
    newest = coverage.checkpoint.checkpoint if coverage.checkpoint else None
    return Judgement(stream=coverage.stream, standing=standing, reason=reason, brought=brought, newest=newest)
