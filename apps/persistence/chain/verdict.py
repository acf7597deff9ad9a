"""This module is what a verification says: the verdict, and each finding with its cause, its place and what it means in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ..encoding import Value
from ..events import AggregateRef, format_time
from .logged import Folded
from .recorded import Removed


class Cause(StrEnum):
    """What is wrong. One event has one cause; what follows from it is told in the finding's explanation."""

    CONTENT_CHANGED = "content_changed"
    LINK_BROKEN = "link_broken"
    MISSING = "missing"
    DUPLICATE_VERSION = "duplicate_version"
    MISPLACED = "misplaced"
    UNDECODABLE = "undecodable"
    HISTORY_REWRITTEN = "history_rewritten"
    TAIL_CUT = "tail_cut"
    OMITTED = "omitted"
    LIST_GONE = "list_gone"
    NOT_TRUSTED = "not_trusted"
    NOT_VOUCHED = "not_vouched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault. `version` is the aggregate's, or the first of those that are missing; `sequence` is that of the message that shows it.

    `aggregate` and `version` are None where nothing says whose event it was. `expected` and `found` are short texts, mostly CIDs.
    """

    cause: Cause
    aggregate: AggregateRef | None
    version: int | None
    sequence: int | None
    expected: str
    found: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What somebody who knows more of a stream says at the end of its verification: faults, and sentences of what it proves or not."""

    findings: tuple[Finding, ...] = ()
    proves: tuple[str, ...] = ()
    does_not_prove: tuple[str, ...] = ()


NOTHING_BESIDE = Beside()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a running verification is; `sequence` is the last one that was read."""

    checked: int
    sequence: int
    from_sequence: int
    to_sequence: int
    findings: int
    seconds: float

    @property
    def rate(self) -> float:
        """Events verified a second, so far."""
        return self.checked / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A tree of `size` leaves with this root that somebody stands for, and whether what was read `holds` it; `at` is when it was said."""

    source: str
    who: str
    size: int
    root: bytes
    at: datetime | None
    holds: bool

    def to_value(self) -> dict[str, Value]:
        return {
            "source": self.source,
            "who": self.who,
            "size": self.size,
            "root": self.root.hex(),
            "at": format_time(self.at) if self.at else None,
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStanding:
    """What the log says of a stream: the `root` over its first `size` sequences, whose trees it was held against, and who was missing.

    `root` is None where it could not be made, and `damage` says in a sentence what is wrong with the kept log alone; empty if nothing.
    `confirmed` is up to which sequence the witness confirms it, 0 where it is silent or refuses; None where no witness is named.
    """

    size: int
    root: bytes | None
    held: tuple[Held, ...]
    missing: tuple[str, ...]
    damage: str = ""
    confirmed: int | None = None

    @property
    def covered(self) -> int:
        """Up to which sequence a signature that holds covers it."""
        return max((one.size for one in self.held if one.holds), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rests:
    """What lies behind the first bad `sequence`, and so rests on it: so many `events`, of so many `aggregates`."""

    sequence: int
    events: int
    aggregates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one verification found. `checked` counts messages, `seconds` is what it took, reading included.

    `findings` holds the first of them in the order they were met; `finding_count` and `by_cause` count all. `is_whole_stream` says that
    every message between the two sequences was read, not only those of one aggregate or type. `is_stopped`: it was ended early, and
    `to_sequence` is where. `reaches_end`: nothing was stored after it when the verification began. `known_before` counts
    those of the aggregates that had begun before `from_sequence`. `unnamed` counts messages whose
    writer left no CID in `Nats-Msg-Id`. `removed` is what recorded runs removed on purpose: named, and no finding.

    Up to sequence `intact_to` nothing is wrong, and `rests_on` says what comes after it where something is. `log` is None where the log was
    no part of it. `folded` is the tree over what was read, for who joins several ranges.
    """

    scope: str
    stream: str
    is_whole_stream: bool
    is_stopped: bool
    reaches_end: bool
    from_sequence: int
    to_sequence: int
    checked: int
    aggregates: int
    known_before: int
    unnamed: int
    findings: tuple[Finding, ...]
    finding_count: int
    by_cause: Mapping[Cause, int]
    first_bad: Finding | None
    removed: tuple[Removed, ...]
    started: datetime
    seconds: float
    proves: tuple[str, ...]
    does_not_prove: tuple[str, ...]
    intact_to: int = 0
    rests_on: Rests | None = None
    log: LogStanding | None = None
    folded: Folded | None = field(default=None, repr=False, compare=False)

    @property
    def intact(self) -> bool:
        """Whether nothing at all was found."""
        return self.finding_count == 0

    @property
    def first_bad_sequence(self) -> int | None:
        """The first sequence at which anything is wrong, also where the finding about it shows later; None where nothing has one."""
        if self.rests_on is not None:
            return self.rests_on.sequence
        return self.first_bad.sequence if self.first_bad else None

    @property
    def rate(self) -> float:
        """Messages verified a second."""
        return self.checked / self.seconds if self.seconds else 0.0
