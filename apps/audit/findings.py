"""This module is the findings of a stream as the receipts of its verifications keep them, and which of them a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.persistence.events import AggregateRef
from apps.persistence.work.run import Run

from .causes import CauseWords, cause_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding of a verification, as its run's receipt keeps it."""

    cause: str
    aggregate: AggregateRef | None
    version: int | None
    sequence: int | None
    expected: str
    found: str
    explanation: str
    run_id: str

    @property
    def title(self) -> str:
        return self.words.title

    @property
    def words(self) -> CauseWords:
        return cause_words(self.cause)


def found_by(finished: Sequence[Run]) -> tuple[Found, ...]:
    """What these verifications, newest first, found since the last of them that began at the first event; by sequence."""
    found: dict[tuple[str, int | None, str], Found] = {}
    for run in finished:
        listed = run.figures.get("findings")
        for entry in listed if isinstance(listed, list) else []:
            finding = _found(entry, run.id)
            sequence = None if finding.cause == "tail_cut" else finding.sequence
            found.setdefault((finding.cause, sequence, str(finding.aggregate)), finding)
        if run.figures.get("from") == 1:
            break
    return tuple(sorted(found.values(), key=lambda finding: finding.sequence or 0))


def count_causes(findings: Sequence[Found]) -> list[tuple[CauseWords, int]]:
    """Each cause that was found and how often, in the order of its first finding."""
    counted: dict[str, int] = {}
    for finding in findings:
        counted[finding.cause] = counted.get(finding.cause, 0) + 1
    return [(cause_words(name), count) for name, count in counted.items()]


def _found(entry: Any, run_id: str) -> Found:
    name = entry["aggregate"]
    return Found(
        cause=entry["cause"],
        aggregate=AggregateRef.parse(name) if name else None,
        version=entry["version"],
        sequence=entry["sequence"],
        expected=entry["expected"],
        found=entry["found"],
        explanation=entry["explanation"],
        run_id=run_id,
    )
