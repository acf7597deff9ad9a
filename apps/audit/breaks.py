"""This module is one break beside what should be there: ids, links, the log's word, contents where they are known, what it touches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.display.differences import Lines, compare
from apps.persistence.encoding import cid_of, decode
from apps.persistence.errors import EncodingError, FeatureUnavailable, InvalidEvent, InvalidInput, InvalidSubject
from apps.persistence.events import Event
from apps.persistence.store import Message, Store, last_of_each

from .checkpoints import Checkpoints, KeptCheckpoint
from .findings import Found
from .proof import StreamProof
from .sequences import Inclusion, Row, prove_row, read_rows

OWN_EVENT = frozenset({"content_changed", "duplicate_version", "history_rewritten", "undecodable"})
"""Causes whose sequence is that of the bad event itself, so that what was logged there tells on which side the log is."""
SAME_EVENT = frozenset({"content_changed", "duplicate_version", "history_rewritten"})
"""Causes whose two ids name two contents of one event; of the others a difference of contents says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One line of the table. `expected_is` and `found_is` name the event that an id belongs to, where it is here."""

    what: str
    expected: str
    found: str
    expected_is: str = ""
    found_is: str = ""

    @property
    def differs(self) -> bool:
        return self.expected != self.found


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """`lines` is the difference of both contents, None where one is not known; `signed` is the oldest kept checkpoint over it.

    `intact_to` is the last sequence before which nothing is wrong, `after` and `aggregates` count what rests on the break; None: unknown.
    """

    finding: Found
    row: Row | None
    pairs: tuple[Pair, ...]
    lines: Lines | None
    inclusion: Inclusion | None
    signed: KeptCheckpoint | None
    intact_to: int | None
    after: int | None
    aggregates: int | None

    @property
    def log_says(self) -> str:
        """Which side the signed log is on: `expected`, `found`, `neither`, or empty where it says nothing that is proved."""
        if self.finding.cause not in OWN_EVENT or self.row is None or not self.row.is_logged:
            return ""
        if self.inclusion is None or self.inclusion.problem:
            return ""
        if self.row.logged and self.row.logged in self.finding.expected.split():
            return "expected"
        return "found" if self.row.logged == self.row.cid else "neither"


async def read_break(store: Store, proof: StreamProof, checkpoints: Checkpoints, finding: Found) -> Break:
    """Everything a page says of one finding."""
    sequence = finding.sequence
    row = (await read_rows(store, proof, sequence, sequence))[0] if sequence else None
    around = await _around(store, proof, finding)
    known = {str(cid_of(message.data)): message for message in around.values()}
    is_first = finding is proof.first_bad
    rests = _figure(proof, "rests_on") if is_first and _figure(proof, "from") == 1 and not proof.was_made_anew else None
    intact = _figure(proof, "intact_to") if isinstance(rests, dict) else None
    return Break(
        finding=finding,
        row=row,
        pairs=_pairs(finding, row, around, known),
        lines=_difference(finding, known),
        inclusion=await prove_row(store, proof.coverage, row) if row else None,
        signed=checkpoints.first_over(sequence) if sequence else None,
        intact_to=intact if isinstance(intact, int) else sequence - 1 if sequence and is_first else None,
        after=rests.get("events") if isinstance(rests, dict) else max(0, proof.last - sequence) if sequence and is_first else None,
        aggregates=rests.get("aggregates") if isinstance(rests, dict) else None,
    )


async def _around(store: Store, proof: StreamProof, finding: Found) -> Mapping[int, Message]:
    """The versions before, at and after the break, by sequence; none where subjects cannot say which they are."""
    if finding.aggregate is None or finding.version is None:
        return {}
    versions = [version for version in range(finding.version - 2, finding.version + 2) if version > 0]
    try:
        patterns = [proof.layout.at_version(finding.aggregate, version) for version in versions]
        found = await last_of_each(store.connection, proof.name, patterns)
    except (FeatureUnavailable, InvalidInput, InvalidSubject):
        return {}
    return {message.sequence: message for message in found}


def _pairs(finding: Found, row: Row | None, around: Mapping[int, Message], known: Mapping[str, Message]) -> tuple[Pair, ...]:
    pairs = [
        Pair(
            what=_what(finding),
            expected=finding.expected,
            found=finding.found,
            expected_is=_named(finding.expected, known),
            found_is=_named(finding.found, known),
        )
    ]
    after = _version_after(finding, around)
    if after is not None and after.previous is not None and finding.cause in SAME_EVENT and " " not in finding.expected:
        pairs.append(Pair(what=f"Version {after.version} links to", expected=finding.expected, found=str(after.previous)))
    if row is not None and row.is_logged:
        pairs.append(Pair(what=f"In the log at {row.sequence:,}", expected=row.logged or "nothing", found=row.cid or "nothing"))
    return tuple(pairs)


def _what(finding: Found) -> str:
    if finding.cause == "link_broken":
        return "Link to the event before"
    return "What is here" if " " in finding.expected else "Content id (CID)"


def _version_after(finding: Found, around: Mapping[int, Message]) -> Event | None:
    events = [event for message in around.values() if (event := _event(message)) is not None]
    return next((event for event in events if finding.version is not None and event.version == finding.version + 1), None)


def _named(text: str, known: Mapping[str, Message]) -> str:
    message = known.get(text)
    event = _event(message) if message else None
    return f"version {event.version}, {event.type}, at {message.sequence:,}" if message and event else ""


def _difference(finding: Found, known: Mapping[str, Message]) -> Lines | None:
    before, after = known.get(finding.expected), known.get(finding.found)
    if finding.cause not in SAME_EVENT or before is None or after is None or before is after:
        return None
    try:
        return compare(decode(before.data), decode(after.data))
    except EncodingError:
        return None


def _event(message: Message) -> Event | None:
    try:
        return Event.from_block(message.data)
    except (InvalidEvent, EncodingError):
        return None


def _figure(proof: StreamProof, name: str) -> Any:
    """A figure of the newest verification, as far as its receipt has it."""
    return proof.verification.figures.get(name) if proof.verification else None
