"""This module is a short range event by event: what lies at each sequence now, what the log says of it, and what both were found to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.persistence.chain.examine import Examiner, Seen, Unreadable
from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidCid, InvalidInput, InvalidProof
from apps.persistence.events import AggregateRef
from apps.persistence.log.coverage import Coverage
from apps.persistence.log.hashes import leaf_hash
from apps.persistence.log.kept import logged_leaves, prove_inclusion
from apps.persistence.log.leaves import leaf_bytes, parse_leaf
from apps.persistence.log.proofs import check_inclusion
from apps.persistence.store import Layout, Message, Store, read_batch

from .findings import Found
from .proof import StreamProof


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One sequence. `cid` is hashed from what is stored now and `logged` is what the log says; each empty where there is none.

    `is_logged` says that the log has come so far. `fault` is what is wrong with the stored bytes by themselves, seen just now.
    """

    sequence: int
    state: str
    cid: str
    logged: str
    is_logged: bool
    fault: str
    findings: tuple[Found, ...]
    run: str = ""
    aggregate: AggregateRef | None = None
    version: int | None = None
    type: str = ""
    stored_at: datetime | None = None

    @property
    def differs(self) -> bool:
        """Whether the log says something else than what lies here. What is gone is no contradiction."""
        return self.is_logged and bool(self.cid) and self.cid != self.logged


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """Whether the newest checkpoint that is signed holds what the log says of one sequence; `problem` says why it does not."""

    size: int
    hashes: int
    problem: str


async def read_rows(store: Store, proof: StreamProof, first: int, last: int) -> list[Row]:
    """Every sequence of the range. At most FEW of them are asked for."""
    connection, name = store.connection, proof.name
    batch = await read_batch(connection, name, from_sequence=first, limit=last - first + 1) if first <= proof.last else None
    messages = {message.sequence: message for message in (batch.messages if batch else ()) if message.sequence <= last}
    logged = _logged(await logged_leaves(connection, name, first=first, last=last), first, proof.coverage)
    return [_row(proof, sequence, messages.get(sequence), logged) for sequence in range(first, last + 1)]


async def prove_row(store: Store, coverage: Coverage, row: Row) -> Inclusion | None:
    """The proof that leads from what the log says of one sequence to the signed root; None where none covers it."""
    signed = coverage.checkpoint.checkpoint if coverage.checkpoint else None
    if signed is None or row.sequence > signed.size or not row.is_logged:
        return None
    leaf = (await logged_leaves(store.connection, coverage.stream, first=row.sequence, last=row.sequence))[0] or b""
    try:
        hashes = await prove_inclusion(store.connection, coverage.stream, row.sequence, size=signed.size)
        check_inclusion(leaf_hash(leaf), index=row.sequence - 1, size=signed.size, proof=hashes, root=signed.root)
    except InvalidProof as error:
        return Inclusion(size=signed.size, hashes=0, problem=str(error))
    return Inclusion(size=signed.size, hashes=len(hashes), problem="")


def _logged(leaves: Sequence[bytes | None], first: int, coverage: Coverage) -> Mapping[int, str]:
    """What the log says of each sequence that it has come to; empty text where it held nothing."""
    size = coverage.kept.size if coverage.kept else 0
    found: dict[int, str] = {}
    for sequence, raw in enumerate(leaves, start=first):
        if sequence > size or raw is None:
            continue
        try:
            leaf = parse_leaf(raw)
        except (InvalidInput, InvalidCid):
            continue
        if leaf.sequence == sequence and leaf_bytes(sequence, leaf.cid) == raw:
            found[sequence] = str(leaf.cid) if leaf.cid else ""
    return found


def _row(proof: StreamProof, sequence: int, message: Message | None, logged: Mapping[int, str]) -> Row:
    findings = tuple(found for found in proof.findings if found.sequence == sequence)
    gone = next((one for one in proof.absent.parts if one.first <= sequence <= one.last), None)
    seen = Examiner(proof.layout).examine(message) if message else None
    cid = str(cid_of(message.data)) if message else ""
    fault = _fault(seen)
    state = findings[0].cause if findings else fault or proof.facts.state_at(sequence, gone)
    place = _place(proof.layout, message, seen)
    return Row(
        sequence=sequence,
        state="history_rewritten" if not (findings or fault) and sequence in logged and cid and cid != logged[sequence] else state,
        cid=cid,
        logged=logged.get(sequence, ""),
        is_logged=sequence in logged,
        fault=fault,
        findings=findings,
        run=gone.run if gone else "",
        aggregate=place[0],
        version=place[1],
        type=place[2],
        stored_at=message.time if message else None,
    )


def _fault(seen: Seen | Unreadable | None) -> str:
    """What one message shows without its neighbours."""
    if isinstance(seen, Unreadable):
        return "undecodable"
    if seen is None:
        return ""
    return "content_changed" if seen.claimed else "misplaced" if seen.subject is not None else ""


def _place(layout: Layout, message: Message | None, seen: Seen | Unreadable | None) -> tuple[AggregateRef | None, int | None, str]:
    """What the message says that it is, else what its subject says."""
    if isinstance(seen, Seen):
        return AggregateRef.parse(seen.place.key), seen.place.version, seen.place.type
    parts = layout.parse(message.subject) if message else None
    return (parts.ref, parts.version, parts.event or "") if parts else (None, None, "")
