"""This module is the report on one stream: what fits on a sheet of paper, and nothing that the newest verdict does not say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.persistence.chain import Mark
from apps.persistence.events import now
from apps.persistence.log.keys import VerifierKey
from apps.persistence.store import Store

from .checkpoints import KeptCheckpoint, read_checkpoints
from .findings import Found
from .held import HeldAgainst
from .proof import StreamProof, read_marks, read_proof

FINDINGS = 6
CHECKPOINTS = 3
MARKS = 3
SENTENCES = 5
KEYS = 2
ANCHORS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The first of everything; what is left out is counted by `proof` and the totals."""

    proof: StreamProof
    at: datetime
    marks: tuple[Mark, ...]
    mark_count: int
    checkpoints: tuple[KeptCheckpoint, ...]
    checkpoint_count: int
    holding: int
    contradicting: int
    not_counting: int
    keys: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...]

    @property
    def findings(self) -> tuple[Found, ...]:
        return self.proof.findings[:FINDINGS]

    @property
    def anchors(self) -> list[HeldAgainst]:
        return self.proof.anchors[:ANCHORS]

    @property
    def missing(self) -> list[str]:
        """Why somebody was not asked, as far as the verdict does not say so itself."""
        said = " ".join(self.proof.does_not_prove)
        return [text for text in self.proof.anchors_missing if text not in said][:SENTENCES]

    @property
    def proves(self) -> list[str]:
        """Nothing of what a verification said before somebody contradicted it."""
        if self.is_outdated:
            return ["Nothing about the stream as it is now: what the newest verification said is contradicted or is of another stream."]
        return self.proof.proves[:SENTENCES]

    @property
    def does_not_prove(self) -> list[str]:
        return self.proof.does_not_prove[:SENTENCES]

    @property
    def more_sentences(self) -> int:
        """How many sentences of the verdict did not fit; the page of its run has them."""
        return max(0, len(self.proof.proves) - SENTENCES) + max(0, len(self.proof.does_not_prove) - SENTENCES)

    @property
    def verdict(self) -> str:
        """`intact`, `unconfirmed` by the witness, `broken` or `unknown`.

        Alarms of the log count as well: what is not as it was signed is not intact.
        """
        if self.proof.state == "broken" or self.is_contradicted:
            return "broken"
        if self.proof.state == "unknown":
            return "unknown"
        return "unconfirmed" if self.proof.is_unconfirmed else "intact"

    @property
    def is_contradicted(self) -> bool:
        """Whether somebody else says that the stream is not what was signed."""
        held = any(not anchor.holds for anchor in self.proof.anchors)
        return bool(self.proof.contradiction or self.contradicting or (self.proof.mark and held))

    @property
    def is_outdated(self) -> bool:
        """Whether what the newest verification said is no longer so."""
        is_intact = self.proof.mark is not None and self.proof.mark.intact
        return self.proof.is_outdated or (is_intact and self.is_contradicted)


async def read_report(store: Store, name: str) -> Report:
    """Raises InvalidInput where the stream holds no chains."""
    proof, marks = await read_proof(store, name), await read_marks(store, name)
    checkpoints = await read_checkpoints(store, proof.coverage)
    keys = proof.coverage.keys
    return Report(
        proof=proof,
        at=now(),
        marks=tuple(marks[:MARKS]),
        mark_count=len(marks),
        checkpoints=checkpoints.all[:CHECKPOINTS],
        checkpoint_count=len(checkpoints.all),
        holding=checkpoints.holding,
        contradicting=checkpoints.contradicting,
        not_counting=checkpoints.not_counting,
        keys=keys.vkeys[-KEYS:] if keys else (),
        witnesses=keys.witnesses[:KEYS] if keys else (),
    )
