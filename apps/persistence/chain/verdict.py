"""This module is what a verification says: the verdict, and each finding with its cause, its place and what it means in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..events import AggregateRef
from .recorded import Removed


class Cause(StrEnum):
    """What is wrong. One event has one cause; what follows from it is told in the finding's explanation."""

    CONTENT_CHANGED = "content_changed"
    LINK_BROKEN = "link_broken"
    MISSING = "missing"
    DUPLICATE_VERSION = "duplicate_version"
    MISPLACED = "misplaced"
    UNDECODABLE = "undecodable"


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
class Verdict:
    """What one verification found. `checked` counts messages, `seconds` is what it took, reading included.

    `findings` holds the first of them in the order they were met; `finding_count` and `by_cause` count all. `is_whole_stream` says that
    every message between the two sequences was read, not only those of one aggregate or type. `is_stopped`: it was ended early, and
    `to_sequence` is where. `reaches_end`: nothing was stored after it when the verification began. `known_before` counts
    those of the aggregates that had begun before `from_sequence`. `unnamed` counts messages whose
    writer left no CID in `Nats-Msg-Id`. `removed` is what recorded runs removed on purpose: named, and no finding.
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

    @property
    def intact(self) -> bool:
        """Whether nothing at all was found."""
        return self.finding_count == 0

    @property
    def rate(self) -> float:
        """Messages verified a second."""
        return self.checked / self.seconds if self.seconds else 0.0
