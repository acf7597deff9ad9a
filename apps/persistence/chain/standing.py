"""This module is holding what was read of a stream against everybody who says what its log was: signer, witness, checkpoints, marks.

The tree that was read must have each root that was signed. Where one does not hold, the tree is made anew, as the stream is and as its log
says: if only the tree of the log has that root, the first leaf that differs was rewritten; if only that of the stream has it, the log is
damaged and the stream is not at fault; if neither has it, both were rewritten, and the signer is asked, who has a copy of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ..errors import InvalidProof
from ..log.anchors import Anchors, AnchorSource, read_anchors
from ..log.frontier import Frontier
from ..log.kept import LogState, edge_at, find_log, logged_leaves, prove_consistency
from ..log.leaves import SEQUENCE_BYTES
from ..log.proofs import check_consistency
from ..log.trust import NO_TRUST, Trust
from ..store import Store
from . import log_words
from .claims import Claim, claims_of
from .logged import Folded, LogReading
from .marks import Mark
from .removals import Removal
from .rereading import Reread, extended, reread
from .rewriting import Search, find_before_cut, find_rewritten, place_at
from .verdict import Finding, LogStanding


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was read of a stream whose last sequence is `end`; `blamed` are the sequences that have a finding already."""

    folded: Folded
    first: int
    last: int
    end: int
    blamed: Collection[int]
    removals: Sequence[Removal] = ()


@dataclass(slots=True, kw_only=True)
class LogLayer:
    """The log of a stream while that is verified. Begin before the stream's end is asked for: then nobody can be ahead of it honestly."""

    store: Store
    trust: Trust
    mark: Mark | None
    anchors: Anchors
    state: LogState | None
    claims: list[Claim]
    findings: list[Finding] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    @classmethod
    async def begin(cls, store: Store, *, anchors: Anchors | None, trust: Trust | None, mark: Mark | None) -> LogLayer:
        """Ask everybody. Raises Unavailable where the store itself does not answer."""
        connection, stream, told = store.connection, store.layout.stream, trust or NO_TRUST
        found = anchors or await read_anchors(connection, stream, told)
        state, problem = await find_log(connection, stream, leader=True)
        claims = claims_of(found, mark if mark and mark.stream == stream else None)
        return cls(
            store=store,
            trust=told,
            mark=mark,
            anchors=found,
            state=state,
            claims=claims,
            findings=[log_words.describe_refused(sentence) for sentence in found.refused],
            missing=list(found.missing),
            damage=[problem] if problem else [],
        )

    @property
    def logged(self) -> int:
        return self.state.size if self.state else 0

    def reading(self, first: int) -> LogReading:
        """What takes the messages from sequence `first` on."""
        cuts = [claim.size for claim in self.claims]
        return LogReading(self.store.connection, self.store.layout.stream, first=first, logged=self.logged, cuts=cuts)

    async def judge(self, read: Read) -> LogStanding:
        """Hold what was read against all claims; what is wrong is in `findings` then. Raises Unavailable."""
        await self._look_at_end(read)
        edge = await self._edge(read)
        known = [claim for claim in self.claims if claim.size <= read.end]
        within = [claim for claim in known if claim.size < read.first or claim.size in read.folded.cuts]
        if edge is None and not self.logged:
            within = [claim for claim in within if claim.is_signed]
        judged = [claim.judged(holds=edge is not None and await self._holds(claim, read, edge)) for claim in within]
        again: Reread | None = None
        if not all(claim.holds for claim in judged):
            again = await self._reread(read, judged)
            edge = again.found.get(read.first - 1)
            judged = self._judge_again(judged, again)
        await self._blame(read, judged, again)
        beyond = [claim.judged(holds=False) for claim in self.claims if claim.size > read.end]
        self.missing += [f"{claim.words} covers more than was read." for claim in known if claim not in within]
        return LogStanding(
            size=read.last,
            root=read.folded.tree.onto(edge).root() if edge is not None and read.last <= read.end else None,
            held=tuple(claim.held() for claim in [*judged, *beyond] if claim.is_signed),
            missing=tuple(self.missing),
            damage=" ".join(self.damage),
            confirmed=self._confirmed(judged) if read.last else None,
        )

    def _confirmed(self, judged: Sequence[Claim]) -> int | None:
        """Up to where the witness confirms it; None where none is named."""
        if self.trust.witness is None:
            return None
        return max((claim.size for claim in judged if claim.source == AnchorSource.WITNESS and claim.holds), default=0)

    async def _look_at_end(self, read: Read) -> None:
        """Whether the stream ends before what anybody saw of it."""
        seen = [(claim.size, claim.words) for claim in self.claims] + [(self.logged, "the kept log")]
        if self.mark is not None:
            seen.append((self.mark.sequence, f"the mark of the verification by {self.mark.by}"))
        to, who = max(seen, key=lambda one: one[0])
        if to <= read.end:
            return
        stream = self.store.layout.stream
        was = await logged_leaves(self.store.connection, stream, first=read.end + 1, last=read.end + 1)
        expected = was[0][SEQUENCE_BYTES:] if was and was[0] else None
        self.findings.append(log_words.describe_tail_cut(stream, to=to, last=read.end, who=who, expected=expected))

    async def _edge(self, read: Read) -> Frontier | None:
        """The tree before what was read, by the kept tiles; None where they do not have it."""
        size = read.first - 1
        if size == 0:
            return Frontier()
        if size > read.end or not self.logged:
            return None
        connection, stream = self.store.connection, self.store.layout.stream
        try:
            edge = await edge_at(connection, stream, min(size, self.logged))
        except InvalidProof:
            return None
        return await extended(connection, stream, edge, size)

    async def _holds(self, claim: Claim, read: Read, edge: Frontier) -> bool:
        """Whether the tree that was read has this root."""
        if claim.size >= read.first:
            return read.folded.cuts[claim.size].onto(edge).root() == claim.root
        if claim.size == edge.size:
            return edge.root() == claim.root
        connection, stream = self.store.connection, self.store.layout.stream
        try:
            proof = await prove_consistency(connection, stream, old_size=claim.size, new_size=edge.size)
            check_consistency(old_size=claim.size, old_root=claim.root, new_size=edge.size, new_root=edge.root(), proof=proof)
        except InvalidProof:
            return False
        return True

    async def _reread(self, read: Read, judged: Sequence[Claim]) -> Reread:
        sizes = {claim.size for claim in judged if not claim.holds} | ({read.first - 1} if read.first - 1 <= read.end else set())
        return await reread(self.store.connection, self.store.layout.stream, sizes)

    def _judge_again(self, judged: Sequence[Claim], again: Reread) -> list[Claim]:
        """What holds once the stream itself was read: there the kept log was wrong. A mark that a signature contradicts is none."""
        found = [claim if claim.holds else claim.judged(holds=again.root(claim.size) == claim.root) for claim in judged]
        signed = max((claim.size for claim in found if claim.holds and claim.is_signed), default=0)
        if any(now.holds and not was.holds for now, was in zip(found, judged, strict=True)) and not again.different:
            self.damage.append(log_words.describe_damage(0))
        return [claim for claim in found if claim.holds or claim.is_signed or claim.size > signed]

    def _note(self, found: Finding | str | None) -> None:
        """A finding, or why there is none."""
        if isinstance(found, str):
            self.missing.append(found)
        elif found is not None:
            self.findings.append(found)

    async def _blame(self, read: Read, judged: Sequence[Claim], again: Reread | None) -> None:
        """What is wrong: where a root does not hold, what was rewritten; else what the kept log says otherwise."""
        failing = next((claim for claim in judged if not claim.holds), None)
        if failing is not None and again is not None:
            search = Search(
                store=self.store,
                trust=self.trust,
                claim=failing,
                others=judged,
                blamed=read.blamed,
                again=again,
                first=read.first,
                removals=read.removals,
            )
            self._note(await find_rewritten(search))
            return
        differing = {one.sequence: one for one in [*(again.first if again else ()), *read.folded.first]}
        covered = max((claim.size for claim in judged if claim.is_signed), default=0)
        wrong = sum(1 for sequence in differing if sequence <= covered)
        if wrong:
            self.damage.append(log_words.describe_damage(wrong))
        open_to_doubt = [one for sequence, one in sorted(differing.items()) if sequence > covered and sequence not in read.blamed]
        if not open_to_doubt and any(claim.is_signed and claim.size > read.end for claim in self.claims):
            self._note(await find_before_cut(self.store, self.trust, end=read.end, blamed=read.blamed))
        if open_to_doubt:
            first = open_to_doubt[0]
            place = await place_at(self.store, first)
            proof = log_words.by_log_alone()
            self.findings.append(log_words.describe_rewritten(first, place, proof=proof, count=len(open_to_doubt)))
