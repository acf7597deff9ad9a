"""This module is the walk along the chains: each message is held against the newest event of its aggregate that was met before it.

After a finding the walk goes on from what lies there, so one fault is reported once: what only follows from it is told with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..store import Layout, Message
from . import words
from .examine import Examiner, Place, Seen, Unreadable
from .findings import Findings, ref_of
from .gaps import Range, SequenceGaps
from .holes import Holes
from .recorded import Recorded
from .removals import LOWERED, Removal
from .tips import NO_FINDING, Tip, Tips
from .verdict import Rests

MAX_EMPTY = 100_000


class Walk:
    """One verification's way through its messages, in stream order or in the order of one aggregate's versions.

    `gaps_from` is the sequence from which on every message passes here; None where only some do. `first_empty` is the first that holds
    nothing for no known reason. `knows_start` says that an aggregate
    that was not met before begins here; else `seed` what came before it. `removals` are what operators removed on purpose.
    """

    def __init__(self, layout: Layout, tips: Tips, *, gaps_from: int | None, knows_start: bool, removals: Sequence[Removal] = ()) -> None:
        self.findings = Findings()
        self.gaps = SequenceGaps()
        self.checked = 0
        self.aggregates = 0
        self.known_before = 0
        self.unnamed = 0
        self.position = (gaps_from or 1) - 1
        self.first_empty: int | None = None
        self.recorded = Recorded(removals, gaps_from=gaps_from)
        self._empty: list[Range] = []
        self._layout = layout
        self._examiner = Examiner(layout)
        self._tips = tips
        self._holes = Holes(self.findings, self.gaps, gaps_from=gaps_from)
        self._strays: dict[tuple[str, int], bytes] = {}
        self._knows_start = knows_start
        self._watches_gaps = gaps_from is not None
        self._gaps_from = gaps_from
        self.removals = tuple(removals)

    def expire(self, removal: Removal) -> None:
        """Know, before the first message, that the stream's own limits removed its beginning; known already, this is the newer word."""
        self.removals = (*(known for known in self.removals if known.run_id), removal)
        self.recorded = Recorded(self.removals, gaps_from=self._gaps_from)

    def look(self, messages: Sequence[Message]) -> list[Seen | Unreadable]:
        """Each message by itself; what `walk` takes."""
        return [self._examiner.examine(message) for message in messages]

    def unknown(self, items: Sequence[Seen | Unreadable]) -> dict[str, Place]:
        """Of each aggregate that was not met yet, the place of its first event among `items`; nothing where all begin here."""
        found: dict[str, Place] = {}
        for item in items if not self._knows_start else ():
            place = _slot(item)
            if place is not None and place.key not in found and self._tips.get(place.key) is None:
                found[place.key] = place
        return found

    def seed(self, message: Message, *, late: Place | None = None) -> None:
        """Take a message from before the walk as the newest of its aggregate; if its content was changed, that is a finding too.

        `late` is an event of this walk that belongs before that message and was not there.
        """
        if late is not None:
            self._holes.expect(late)
        item = self._examiner.examine(message)
        place = _slot(item)
        if place is None or self._tips.get(place.key) is not None:
            return
        self.aggregates += 1
        self.known_before += 1
        if isinstance(item, Seen) and not item.claimed and item.subject is None:
            self._tips.put(place.key, Tip(place.version, item.sequence, item.cid, item.is_named))
        else:
            self._tips.put(place.key, Tip(place.version - 1, 0, b"", is_open=True))
            self._look_closer(item)

    def walk(self, items: Sequence[Seen | Unreadable]) -> None:
        """Follow the chains through `items`."""
        tips = self._tips
        for item in items:
            sequence = item.sequence
            if self._watches_gaps and sequence != self.position + 1:
                self._add_gap(Range(self.position + 1, sequence - 1))
            self.position = sequence
            if isinstance(item, Seen) and item.is_named and item.subject is None and not item.claimed:
                key, version, _ = item.place
                tip = tips.get(key)
                if tip is not None and version == tip.version + 1 and item.previous == tip.cids and sequence > tip.sequence:
                    tips.put(key, Tip(version, sequence, item.cid))
                    continue
            self._look_closer(item)
        self.checked += len(items)

    def finish(self, last: int) -> None:
        """Report what a limit took that was lowered past the console, and the gaps that nothing explained, up to sequence `last`."""
        if self._watches_gaps and self.position < last:
            self._add_gap(Range(self.position + 1, last))
            self.position = last
        for part in self.recorded.removed:
            if part.removal.operation == LOWERED:
                self.findings.add(words.describe_lowered(part))
        for gap in self.gaps.free:
            self.findings.add(words.describe_gap(gap))
        if self.gaps.untracked:
            self.findings.add(words.describe_untracked(self.gaps.untracked))

    @property
    def first_bad(self) -> int | None:
        """The first sequence at which anything is wrong, as far as any fault has one."""
        first = self.findings.first()
        bad = [sequence for sequence in (first.sequence if first else None, self.first_empty) if sequence]
        return min(bad, default=None) if self.findings.count else None

    def rests_on(self, sequence: int) -> Rests:
        """How much of what was met lies behind a sequence."""
        empty = sum(max(0, gap.last - max(gap.first, sequence + 1) + 1) for gap in self._empty)
        return Rests(sequence=sequence, events=max(0, self.position - sequence - empty), aggregates=self._tips.count_after(sequence))

    def _add_gap(self, gap: Range) -> None:
        if len(self._empty) < MAX_EMPTY:
            self._empty.append(gap)
        for part in self.recorded.claim(gap):
            self.first_empty = self.first_empty or part.first
            self.gaps.add(part)

    # -- what is not plainly the next event of its chain -------------------------------------------------------------------------------

    def _look_closer(self, item: Seen | Unreadable) -> None:
        self.unnamed += not item.is_named
        if isinstance(item, Unreadable):
            self._occupy(item, item.subject_place, self.findings.add(words.describe_unreadable(item)), item.claimed, is_open=True)
        elif item.claimed:
            place = item.subject_place or item.place
            finding = self.findings.add(words.describe_changed(item, place))
            self._occupy(item, place, finding, item.claimed + item.cid, is_open=False)
        elif item.subject is not None:
            self._misplaced(item)
        else:
            self._link(item)

    def _misplaced(self, item: Seen) -> None:
        """It stands in the place of what its subject names, where that is due; else the chain that its content names goes on with it."""
        finding = self.findings.add(words.describe_misplaced(item))
        own, here = item.place, item.subject_place
        is_elsewhere = here is not None and (here.key, here.version) != (own.key, own.version)
        if is_elsewhere and here is not None and self._is_due(here):
            if finding != NO_FINDING:
                self._strays[own.key, own.version] = item.cid
            self._occupy(item, here, finding, b"", is_open=True)
        elif self._is_due(own, item.previous):
            self._advance(item, finding)
        else:
            self._occupy(item, here, finding, b"", is_open=True)

    def _is_due(self, place: Place, link: bytes | None = None) -> bool:
        """Whether this is the next version of its aggregate, and the one with this link if one is given."""
        tip = self._tips.get(place.key)
        if tip is None:
            return place.version == 1 and self._knows_start
        return place.version == tip.version + 1 and (link is None or link in tip.choices)

    def _occupy(self, item: Seen | Unreadable, place: Place | None, finding: int, cids: bytes, *, is_open: bool) -> None:
        """Go on behind an event that was found wrong, so that its neighbours are not blamed for it."""
        if place is None:
            return
        tip = self._tips.get(place.key)
        if tip is not None and place.version <= tip.version:
            self.findings.note(finding, f"Version {place.version} lies in the stream at another sequence, too.")
            return
        link = item.previous if isinstance(item, Seen) else b""
        self._report_hole(place, tip, item.sequence, link)
        if isinstance(item, Seen) and item.claimed and tip is not None and not _follows(tip, place, link):
            self.findings.note(finding, f"Its link to version {place.version - 1} is not the right one either.")
        self._put(place, Tip(place.version, item.sequence, cids, item.is_named, is_open, finding), tip)

    def _link(self, item: Seen) -> None:
        place = item.place
        tip = self._tips.get(place.key)
        if tip is not None and place.version <= tip.version:
            self._again(item, tip)
            return
        is_next = place.version == tip.version + 1 if tip else place.version == 1
        if not is_next:
            self._report_hole(place, tip, item.sequence, item.previous)
        elif tip is None:
            if item.previous:
                self.findings.add(words.describe_first_link(item))
        else:
            self._link_to(item, tip)
        self._advance(item, NO_FINDING)

    def _link_to(self, item: Seen, tip: Tip) -> None:
        if item.sequence < tip.sequence:
            self.findings.add(words.describe_order(item, tip))
        elif tip.is_open or item.previous in tip.choices:
            self._settle(item, tip)
        else:
            self.findings.add(words.describe_broken_link(item, tip))

    def _again(self, item: Seen, tip: Tip) -> None:
        """A version that is not newer than the newest: it was missing until now, or it is there twice."""
        key, version, _ = item.place
        late = self._holes.fill(key, version, item.cid)
        if late is not None:
            self.findings.add(words.describe_late(item, late))
        elif tip.is_open and version == tip.version:
            self.findings.note(tip.finding, f"The event itself lies at sequence {item.sequence:,}.")
            self._advance(item, NO_FINDING)
        else:
            self._repeat(item, tip)

    def _repeat(self, item: Seen, tip: Tip) -> None:
        key, version, _ = item.place
        finding = self.findings.add(words.describe_duplicate(item, tip))
        if version == tip.version and item.cid not in tip.choices:
            self._tips.put(key, tip._replace(cids=tip.cids + item.cid, finding=finding))

    def _settle(self, item: Seen, tip: Tip) -> None:
        """Let the next link tell more about an event that was in doubt."""
        about = self.findings.at(tip.finding)
        if about is not None:
            self.findings.note(tip.finding, words.evidence(item, tip, about.cause))

    def _report_hole(self, place: Place, tip: Tip | None, sequence: int, link: bytes) -> None:
        known = tip.version if tip else 0 if self._knows_start else max(0, place.version - 2)
        if place.version > known + 1:
            missing = Range(known + 1, place.version - 1)
            if missing.size == 1 and self._strays.get((place.key, missing.first)) == link:
                return
            after = tip.sequence if tip else 0
            if not self._was_removed(place.key, missing, after=after, before=sequence):
                self._holes.add(place.key, missing, after=after, before=sequence, link=link)

    def _was_removed(self, key: str, missing: Range, *, after: int, before: int) -> bool:
        ref = ref_of(key)
        return ref is not None and self.recorded.explain(self._layout.all_of(ref), missing, after=after, before=before)

    def _advance(self, item: Seen, finding: int) -> None:
        tip = Tip(item.place.version, item.sequence, item.cid, item.is_named, finding=finding)
        self._put(item.place, tip, self._tips.get(item.place.key))

    def _put(self, place: Place, tip: Tip, before: Tip | None) -> None:
        self.aggregates += before is None
        self._tips.put(place.key, tip)


def _slot(item: Seen | Unreadable) -> Place | None:
    """The place in a chain that a message takes."""
    if isinstance(item, Seen) and item.subject is None and not item.claimed:
        return item.place
    return item.subject_place or (item.place if isinstance(item, Seen) else None)


def _follows(tip: Tip, place: Place, link: bytes) -> bool:
    return place.version != tip.version + 1 or tip.is_open or link in tip.choices
