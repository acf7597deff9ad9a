"""This module is finding what was rewritten, once the tree of a stream is not the one that somebody stands for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..errors import EventNotFound, InvalidInput, Unavailable
from ..log.anchors import AnchorSource, ask_signer
from ..log.leaves import MISSING
from ..log.published import open_published, published_before
from ..log.trust import Trust, trusted_keys
from ..store import Store, get_message
from . import log_words
from .claims import Claim
from .examine import Examiner, Place, Seen
from .logged import Differs
from .removals import Removal
from .rereading import Reread, reread
from .verdict import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A claim whose root the stream does not have. `others` are all claims, `blamed` the sequences that have a finding already.

    From sequence `first` on every message was verified; `removals` are what was removed on purpose.
    """

    store: Store
    trust: Trust
    claim: Claim
    others: Sequence[Claim]
    blamed: Collection[int]
    again: Reread
    first: int
    removals: Sequence[Removal]


async def find_rewritten(search: Search) -> Finding | str | None:
    """The finding; None where each place that differs has one already; a sentence where nothing can be said. Raises Unavailable."""
    claim, again = search.claim, search.again
    if again.logged_root(claim.size) == claim.root:
        return await _by_log(search)
    try:
        answer = await ask_signer(search.store.connection, search.store.layout.stream, search.trust, compare=True)
    except (Unavailable, InvalidInput) as error:
        return await _without_signer(search, str(error))
    found = answer.difference
    if found is None:
        return _undecided(search) or _contradiction(search, _greater(search))
    if found.found is None and any(removal.covers(found.sequence) for removal in search.removals):
        return _lost(search, found.sequence)
    if found.sequence in search.blamed or (found.found is None and found.sequence >= search.first):
        return None
    differs = Differs(found.sequence, found.expected.raw if found.expected else MISSING, found.found.raw if found.found else MISSING)
    return log_words.describe_rewritten(differs, await place_at(search.store, differs), proof=log_words.by_signer(claim))


async def find_before_cut(store: Store, trust: Trust, *, end: int, blamed: Collection[int]) -> Finding | str | None:
    """What was rewritten in a stream whose tail is gone with the roots that were signed last; a sentence where nobody can say."""
    try:
        answer = await ask_signer(store.connection, store.layout.stream, trust, compare=True)
    except (Unavailable, InvalidInput) as error:
        return f"Whether what is left was rewritten as well is not known from the last checkpoint that it holds on: {error}"
    found = answer.difference
    if found is None or found.found is None or found.sequence > end or found.sequence in blamed:
        return None
    differs = Differs(found.sequence, found.expected.raw if found.expected else MISSING, found.found.raw)
    return log_words.describe_rewritten(
        differs, await place_at(store, differs), proof="The signer names it, from its own copy of what it signed."
    )


async def place_at(store: Store, differs: Differs) -> Place | None:
    """Which event lies where something differs, as far as that can be read."""
    try:
        message = await get_message(store.connection, store.layout.stream, differs.sequence, leader=True)
    except EventNotFound:
        return None
    found = Examiner(store.layout).examine(message)
    return found.subject_place or (found.place if isinstance(found, Seen) else None)


async def _by_log(search: Search) -> Finding | None:
    """The log is what was signed, so it names what is not: the first of it that nothing was said of yet."""
    within = [one for one in search.again.first if one.sequence <= search.claim.size]
    first = next((one for one in within if one.sequence not in search.blamed), None)
    if first is None:
        return None
    place = await place_at(search.store, first)
    return log_words.describe_rewritten(first, place, proof=log_words.by_claim(search.claim), count=len(within))


async def _without_signer(search: Search, why: str) -> Finding | str:
    """The narrowest range that signed checkpoints leave."""
    claim, again = search.claim, search.again
    undecided = _undecided(search)
    if undecided:
        return undecided
    greater = _greater(search)
    if greater is not None:
        return _contradiction(search, greater)
    older = await _older(search)
    earlier = await reread(search.store.connection, search.store.layout.stream, [one.size for one in older])
    after, first = 0, claim
    for one in older:
        if earlier.root(one.size) != one.root:
            first = one
            break
        after = one.size
    if any(after < sequence <= first.size for sequence in search.blamed):
        return f"{first.words} does not hold. The findings may be all of it, or not: {why}"
    found = (earlier if first is not claim else again).root(first.size)
    return log_words.describe_range(first, after=after, found=found, why=f"Nobody names the first of it: {why}")


async def _older(search: Search) -> list[Claim]:
    """Every claim about fewer leaves, with the checkpoints that were published before and are still kept, smallest first."""
    connection, stream = search.store.connection, search.store.layout.stream
    found = {one.size: one for one in search.others if one.size < search.claim.size}
    try:
        keys = await trusted_keys(connection, search.trust)
    except InvalidInput:
        keys = None
    for published in await published_before(connection, stream) if keys else ():
        try:
            one = open_published(published, keys).checkpoint if keys else None
        except InvalidInput:
            continue
        if one is not None and keys is not None and 0 < one.size < search.claim.size:
            claim = Claim(source=AnchorSource.PUBLISHED, who=keys.name, size=one.size, root=one.root, at=published.at)
            found.setdefault(one.size, claim)
    return [found[size] for size in sorted(found)]


def _contradiction(search: Search, other: Claim | None) -> Finding:
    """Two that are signed; what somebody outside the store holds of less, and that holds, is common to both."""
    outside = (AnchorSource.BROUGHT, AnchorSource.WITNESS)
    after = max((one.size for one in search.others if one.holds and one.source in outside and one.size < search.claim.size), default=0)
    return log_words.describe_contradiction(search.claim, other, after=after, found=search.again.root(search.claim.size))


def _greater(search: Search) -> Claim | None:
    """A signed claim about at least as many leaves that holds."""
    return next((one for one in search.others if one.is_signed and one.holds and one.size >= search.claim.size), None)


def _undecided(search: Search) -> str:
    """Why nothing can be said where neither stream nor log knows all that was signed; empty where they do.

    A mark, which nobody signed, says nothing of what was removed since: perhaps it was verified before it was logged.
    """
    gone = [removal.ranges[0].first for removal in search.removals if removal.ranges and removal.ranges[0].first <= search.claim.size]
    if gone and not search.claim.is_signed:
        return _lost(search, min(gone))
    lost = [sequence for sequence in search.again.unknown if sequence <= search.claim.size]
    if not lost:
        return ""
    return _lost(search, lost[0])


def _lost(search: Search, sequence: int) -> str:
    return (
        f"{search.claim.words} could not be held against the stream: what sequence {sequence:,} held was removed from the stream, and the "
        "kept log has lost it as well."
    )
