"""This module is what a page says of an aggregate's chain: checked as far as its events were read anyway, and no further than that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from apps.display.figures import cut
from apps.persistence.chain import Cause, Finding, Verdict
from apps.persistence.chain.tips import Tips
from apps.persistence.chain.walk import Walk
from apps.persistence.store import Layout

from .window import Window

_CID = re.compile(r"\bbafyr4i[a-z2-7]{52}\b")
_TITLES = {
    Cause.CONTENT_CHANGED: "{version} does not hash to its own CID",
    Cause.LINK_BROKEN: "{version} does not link to the version before it",
    Cause.MISSING: "{version} is missing",
    Cause.DUPLICATE_VERSION: "{version} is stored twice",
    Cause.MISPLACED: "{version} lies in the wrong place",
    Cause.UNDECODABLE: "{version} cannot be decoded",
    Cause.HISTORY_REWRITTEN: "{version} is not the one that was signed",
    Cause.TAIL_CUT: "the stream ends before {version}",
    Cause.OMITTED: "{version} was left out",
    Cause.LIST_GONE: "the list that names {version} was taken away",
    Cause.NOT_TRUSTED: "{version} is vouched for by nobody who is trusted",
    Cause.NOT_VOUCHED: "{version} lies in a stream that no run of an operator made",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A finding with the sentence that names it."""

    title: str
    finding: Finding

    @property
    def explanation(self) -> str:
        """The finding's own words with its CIDs cut: they stand whole beside them."""
        return _CID.sub(lambda found: cut(found[0]), self.finding.explanation)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """`state` and `words` make the pill; `reach` says what was checked. `is_complete`: the whole history was."""

    state: str
    words: str
    reach: str
    faults: tuple[Fault, ...] = ()
    is_complete: bool = True

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(fault.finding for fault in self.faults)

    def breaks_before(self, version: int) -> Fault | None:
        """The first fault at or before `version`: what rests on it."""
        return next((fault for fault in self.faults if (fault.finding.version or 0) <= version), None)


def chain_of(layout: Layout, window: Window, verdict: Verdict | None = None) -> ChainState:
    """The state of the chain from a verdict on all of it, else from the events of the window."""
    if not layout.is_chained:
        return ChainState(state="not_chained", words="No chain", reach=f"{layout.stream} has a foreign layout: its events do not link")
    if verdict is not None:
        return _state(verdict.findings, f"all {verdict.checked:,} events verified", is_complete=True)
    findings = _check(layout, window)
    if window.is_whole:
        return _state(findings, f"v1–v{window.head:,} verified", is_complete=True)
    return _state(findings, f"verified v{window.first:,}–v{window.last:,} of {window.head:,}", is_complete=False)


def _check(layout: Layout, window: Window) -> Sequence[Finding]:
    slots = window.everything if window.is_whole else window.slots
    with Tips() as tips:
        walk = Walk(layout, tips, gaps_from=None, knows_start=window.is_whole or window.first == 1)
        if window.before is not None and not window.is_whole:
            walk.seed(window.before.message)
        walk.walk(walk.look([slot.message for slot in slots]))
    return walk.findings.kept


def _state(findings: Sequence[Finding], reach: str, *, is_complete: bool) -> ChainState:
    faults = tuple(Fault(title=_title(finding), finding=finding) for finding in sorted(findings, key=lambda one: one.version or 0))
    if not faults:
        return ChainState(state="linked", words="Chain intact" if is_complete else "Linked here", reach=reach, is_complete=is_complete)
    version = faults[0].finding.version
    words = f"Chain broken at v{version:,}" if version else "Chain broken"
    return ChainState(state="broken", words=words, reach=reach, faults=faults, is_complete=is_complete)


def _title(finding: Finding) -> str:
    version = f"v{finding.version:,}" if finding.version else f"Sequence {finding.sequence:,}" if finding.sequence else "An event"
    return _TITLES[finding.cause].format(version=version)
