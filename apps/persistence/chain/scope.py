"""This module is what a verdict proves and what it does not, in sentences for the person who has to rely on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .marks import Mark
from .recorded import Removed
from .verdict import Held, LogStanding
from .walk import Walk

_EVENTS = (
    "The content of each of these events is exactly what its id names: not a byte was changed.",
    "In each aggregate the versions follow one another without hole or repetition, and each event links to the one before it.",
    "Each event lies under the subject that its content names.",
)
_LIMITS = (
    "That nobody rewrote an event and everything after it: who can write to the stream can make new ids. A signed checkpoint shows that.",
    "That the newest event of an aggregate is the real one: no later event links to it yet.",
    "That the actor and the time are true: they are what the writer said, kept unchanged.",
)
_SOURCES = {
    "published": "the checkpoint that is published in the store",
    "signer": "the signer itself, from its own disk",
    "witness": "the witness",
    "brought": "the checkpoint that was brought",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much was looked at and found, from sequence `first` on; `before` says who read what lies before it."""

    checked: int
    findings: int
    unnamed: int
    removed: tuple[Removed, ...]
    log: LogStanding | None = None
    first: int = 1
    before: str = ""

    @classmethod
    def of(cls, walk: Walk, log: LogStanding | None = None, *, first: int = 1, mark: Mark | None = None) -> Extent:
        """`first` is where the reading began, and `mark` what was verified before that."""
        return cls(
            checked=walk.checked,
            findings=walk.findings.count,
            unnamed=walk.unnamed,
            removed=walk.recorded.removed,
            log=log,
            first=first,
            before=verified_before(mark, first),
        )

    @property
    def holding(self) -> list[Held]:
        """Who stands for the log, and holds."""
        return [one for one in self.log.held if one.holds] if self.log else []


def proves(extent: Extent, *, whole: str | None) -> tuple[str, ...]:
    """What an intact verdict shows; `whole` names the sequences that were read without exception, if they were."""
    if not extent.checked and not extent.findings:
        return ("Nothing: there was no event to check.",)
    if extent.findings:
        return (f"{extent.checked:,} events were checked; all faults that this check can see are counted below.",)
    read = (f"Every message from {whole} was read, and none is missing{_but_removed(extent)}.",) if whole else ()
    return (*read, *_EVENTS, *_signed(extent))


def does_not_prove(extent: Extent, *, whole: bool, from_sequence: int) -> tuple[str, ...]:
    """What an intact verdict leaves open."""
    covered = max((one.size for one in extent.holding), default=0)
    limits = list(_LIMITS if covered < extent.first else _LIMITS[2:])
    limits += _not_covered(extent, covered)
    if extent.unnamed:
        limits.append(
            f"That {extent.unnamed:,} of the events are unchanged where nothing links to them: another program wrote them without an id "
            "of their content, which alone is no sign of tampering."
        )
    limits += [f"What was in {part.sentence}." for part in extent.removed]
    if not whole:
        limits.append("That no aggregate was left out or removed as a whole: only a check of the whole stream reads every message.")
        limits.append("What the log says: only the events and their chain were looked at. Verify the whole stream for that.")
    if from_sequence > 1:
        limits.append(f"That what lies before sequence {from_sequence:,} is still as it was: it was not read again.")
    return tuple(limits)


def _signed(extent: Extent) -> tuple[str, ...]:
    """What the log adds of what was read and of nothing else: a sentence for each size, with all who stand for it."""
    sizes = dict.fromkeys(one.size for one in extent.holding)
    return tuple(_signed_up_to(size, [one for one in extent.holding if one.size == size], extent) for size in sizes)


def _signed_up_to(size: int, held: Sequence[Held], extent: Extent) -> str:
    *others, last = (f"{_SOURCES.get(one.source, one.source)} ({one.who})" for one in held)
    who = f"{', '.join(others)} and {last}" if others else last
    say = "say" if others else "says"
    nothing = "was rewritten, cut, inserted, reordered or left out."
    if extent.first == 1:
        return f"The first {size:,} sequences are exactly those that were signed: nothing among them {nothing} So {say} {who}."
    if size < extent.first:
        return f"The log leads to the root of {size:,} sequences that was signed, as {who} {say}. None of them was read now."
    read = f"Sequence {extent.first:,} was" if size == extent.first else f"Sequences {extent.first:,} to {size:,} were"
    return (
        f"{read} read now and, together with what the log keeps of those before{extent.before}, lead to the root that was signed: "
        f"nothing among those read now {nothing} So {say} {who}."
    )


def verified_before(mark: Mark | None, first: int) -> str:
    """Who read what lies before a sequence, as a part of a sentence; empty where no mark says so."""
    if mark is None or first == 1 or mark.sequence < first - 1:
        return ""
    return f", which {mark.by} verified to {mark.sequence:,} on {mark.at:%Y-%m-%d at %H:%M} UTC"


def _not_covered(extent: Extent, covered: int) -> list[str]:
    """What the log leaves open."""
    log = extent.log
    if log is None:
        return []
    found = []
    if covered and covered < log.size:
        found.append(
            f"That the {log.size - covered:,} newest sequences, after {covered:,}, stay as they are: no signed checkpoint covers them yet."
        )
    if log.confirmed == 0 or (log.confirmed is not None and log.confirmed < covered):
        found.append(
            f"That nobody signed another history with the log's own key{f' after {log.confirmed:,}' if log.confirmed else ''}: that is not "
            "confirmed by the witness."
        )
    found += [f"Not held against everybody: {sentence}" for sentence in log.missing]
    return [*found, log.damage] if log.damage else found


def _but_removed(extent: Extent) -> str:
    count = sum(part.count for part in extent.removed)
    who = [
        name for name, is_run in (("recorded runs", True), ("its limits", False)) if any(one.is_by_run is is_run for one in extent.removed)
    ]
    return f" but the {count:,} that {' and '.join(who)} removed, named below" if count else ""
