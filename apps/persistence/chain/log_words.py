"""This module is what the log shows in words: history that was rewritten or cut, for somebody who does not program."""

from __future__ import annotations

from ..encoding import Cid
from ..log.leaves import MISSING
from .claims import Claim
from .examine import Place
from .findings import ref_of
from .logged import Differs
from .verdict import Cause, Finding

NOTHING = "nothing"


def cid_text(raw: bytes) -> str:
    """A raw CID, or that there was nothing."""
    return NOTHING if raw == MISSING else str(Cid(raw))


def describe_rewritten(differs: Differs, place: Place | None, *, proof: str, count: int = 0) -> Finding:
    """The stream holds something else than was logged; `proof` is a sentence that says how that is known, `count` how much differs."""
    was, found = cid_text(differs.logged), cid_text(differs.found)
    what = "an event where nothing was" if was == NOTHING else "another event than was written there first"
    more = f" {count:,} sequences differ in all; this is the first that no other finding names." if count > 1 else ""
    return Finding(
        cause=Cause.HISTORY_REWRITTEN,
        aggregate=ref_of(place.key) if place else None,
        version=place.version if place else None,
        sequence=differs.sequence,
        expected=was,
        found=found,
        explanation=f"Sequence {differs.sequence:,} holds {what}. {proof}{more} Whoever did it may have renewed ids and links behind it.",
    )


def by_claim(claim: Claim) -> str:
    """How it is known where the log has the root that was signed."""
    how = "was signed" if claim.is_signed else "was recorded"
    return f"What was there {how}: {claim.words} covers {claim.size:,} sequences, and the log of them still has its root."


def by_log_alone() -> str:
    """How it is known where no signature covers the sequence."""
    return "The kept log says so, and no signature covers it: either the stream or its log was changed after it was written."


def by_signer(claim: Claim) -> str:
    """How it is known where stream and log were both rewritten."""
    return (
        "The signer names it, from its own copy of what it signed. Stream and log were both rewritten: neither has the root of "
        f"{claim.words}."
    )


def describe_range(claim: Claim, *, after: int, found: bytes, why: str) -> Finding:
    """Neither the stream nor its log is what was signed, and nobody can say where it begins."""
    return _other_root(
        claim,
        after=after,
        found=found,
        explanation=(
            f"Somewhere in sequence {after + 1:,} to {claim.size:,} history was rewritten, in the stream and in its log alike: the root of "
            f"its first {claim.size:,} sequences is not that of {claim.words}. {why}"
        ),
    )


def describe_contradiction(claim: Claim, other: Claim | None, *, after: int, found: bytes) -> Finding:
    """What was signed by one contradicts what holds by another; up to sequence `after` they agree for certain."""
    held = f"{other.words} covers {other.size:,} and holds" if other else "the signer finds no difference from its own copy"
    return _other_root(
        claim,
        after=after,
        found=found,
        explanation=(
            f"Two histories were signed: {claim.words} has another root for the first {claim.size:,} sequences, yet {held}. "
            f"Somebody else has the key, or shows different people different histories, from somewhere in sequence {after + 1:,} to "
            f"{claim.size:,} on."
        ),
    )


def describe_tail_cut(stream: str, *, to: int, last: int, who: str, expected: bytes | None) -> Finding:
    """The stream ends before what somebody saw of it."""
    return Finding(
        cause=Cause.TAIL_CUT,
        aggregate=None,
        version=None,
        sequence=last + 1,
        expected=cid_text(expected) if expected is not None else f"messages up to sequence {to:,}",
        found=f"an end at sequence {last:,}" if expected is None else NOTHING,
        explanation=(
            f"{stream} ends at sequence {last:,}, and went on to {to:,} once, by {who}: its tail was cut, or the stream was replaced by an "
            "older or another one."
        ),
    )


def describe_refused(sentence: str) -> Finding:
    """Something is signed by whom nobody knows, or not at all."""
    return Finding(
        cause=Cause.NOT_TRUSTED,
        aggregate=None,
        version=None,
        sequence=None,
        expected="a signature by the key of the log",
        found="another, or one that does not hold",
        explanation=sentence,
    )


def describe_damage(leaves: int) -> str:
    """The kept log alone is wrong."""
    count = f"{leaves:,} of its leaves are" if leaves > 1 else "one of its leaves is" if leaves else "some of its hashes are lost or"
    return f"The kept log is damaged: {count} not what was signed. The stream is, so it is not at fault; `check-log` with mend repairs it."


def _other_root(claim: Claim, *, after: int, found: bytes, explanation: str) -> Finding:
    """A tree that is not the one of a claim, from somewhere behind sequence `after` on."""
    return Finding(
        cause=Cause.HISTORY_REWRITTEN,
        aggregate=None,
        version=None,
        sequence=after + 1,
        expected=claim.root.hex(),
        found=found.hex(),
        explanation=explanation,
    )
