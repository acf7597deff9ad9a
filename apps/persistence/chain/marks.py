"""This module is marks: up to which sequence a stream was verified, when, by whom, and whether it was intact.

A mark lies in the bucket `cim-marks` under the stream's name, as a block; its last 20 states are kept. Who relies on one asks `mark_runs`,
which knows whether a verification left it.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from ..encoding import Cid, cid_of, decode, encode
from ..errors import EncodingError, InvalidInput, RevisionConflict, StreamNotFound
from ..events import format_time, now, parse_time
from ..log.hashes import HASH_BYTES
from ..store import KvEntry, Store, ensure_bucket, kv_all, kv_get, kv_history, kv_put
from .findings import MAX_FINDINGS
from .verdict import Cause, Finding, Verdict

MARKS_BUCKET = "cim-marks"
MARKS_KEPT = 20
_TRIES = 10
_KEY_BYTES = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Everything up to `sequence` was verified; `checked` counts the messages that were. Where it is not intact, `findings` counts faults.

    `first_bad_sequence` and `first_bad_cause` are None while it is intact, and where the first fault has no sequence. `root` is that of the
    tree over all sequences up to it, None where it is not known or not intact. `created` is when the server made the stream that was read,
    None in marks that are older than this; `known` names the findings, so that one that is found again is not counted twice. `run` is the
    verification that left it. `problem`, which is not stored, says why what lies in the bucket is no mark; all else says nothing then.
    """

    stream: str
    sequence: int
    at: datetime
    by: str
    intact: bool
    findings: int
    first_bad_sequence: int | None
    first_bad_cause: Cause | None
    checked: int
    root: bytes | None = None
    created: datetime | None = None
    known: bytes = b""
    run: str = ""
    problem: str = ""

    @property
    def cid(self) -> Cid:
        """That of its block."""
        return cid_of(_to_block(self))

    def is_of(self, created: datetime | None) -> bool:
        """Whether the stream that was made at this time is the one that was verified, as far as that can be known."""
        if created is None:
            return True
        return created <= self.at if self.created is None else format_time(created) == format_time(self.created)


async def read_mark(store: Store, stream: str) -> Mark | None:
    """What lies in the place of a stream's mark, or None where nothing does."""
    try:
        entry = await kv_get(store.connection, MARKS_BUCKET, stream)
    except StreamNotFound:
        return None
    return _read(entry) if entry else None


async def list_marks(store: Store) -> list[Mark]:
    """What lies in the place of the mark of every stream that has one, by name."""
    try:
        entries = await kv_all(store.connection, MARKS_BUCKET)
    except StreamNotFound:
        return []
    return sorted((_read(entry) for entry in entries), key=lambda mark: mark.stream)


async def mark_history(store: Store, stream: str) -> list[Mark]:
    """The last states of a stream's mark that can be read, newest first."""
    try:
        entries = await kv_history(store.connection, MARKS_BUCKET, stream)
    except StreamNotFound:
        return []
    marks = [_read(entry) for entry in reversed(entries) if entry.operation == "put"]
    return [mark for mark in marks if not mark.problem]


async def write_mark(
    store: Store, verdict: Verdict, *, by: str, created: datetime | None = None, run: str = "", known: bool = True
) -> Mark | None:
    """Enter what a verification of a stream found, and return the stream's mark as it is now; None where it has none yet.

    `created` is when the stream that was read was made, `run` the verification. A mark that is not `known`, and not of this run, is passed
    over as if it were not there. A verdict that begins where the mark ends moves it on. One from 1 to the stream's
    end, or of a stream that was cut or made anew, replaces it, even by a lower one. A mark that is not intact becomes so only by an intact
    verdict that begins at or before the first fault and reaches the mark's end.
    Raises InvalidInput for a verdict of one aggregate or type, RevisionConflict if others keep changing the mark.
    """
    if not verdict.is_whole_stream:
        raise InvalidInput(f"The verdict on {verdict.scope} says nothing about a whole stream; a mark needs a verification of the stream.")
    await ensure_bucket(store.connection, MARKS_BUCKET, history=MARKS_KEPT)
    for _ in range(_TRIES):
        entry = await kv_get(store.connection, MARKS_BUCKET, verdict.stream, leader=True)
        before = _read(entry) if entry else None
        if before is not None and (before.problem or not (known or before.run == run)):
            before = None
        mark = _with_root(before, _merge(before, verdict, by, created), _from_verdict(verdict, by))
        if mark is not None and mark != before:
            mark = replace(mark, created=created or mark.created, run=run)
        if mark is None or mark == before:
            return before
        try:
            await kv_put(store.connection, MARKS_BUCKET, verdict.stream, _to_block(mark), expected_revision=entry.revision if entry else 0)
        except RevisionConflict:
            continue
        return mark
    raise RevisionConflict(verdict.stream, expected=None)


def _merge(before: Mark | None, verdict: Verdict, by: str, created: datetime | None) -> Mark | None:
    """The mark after a verdict, or None where there is nothing to say."""
    fresh = _from_verdict(verdict, by)
    if before is None:
        if verdict.from_sequence == 1:
            return fresh
        return None if verdict.intact else replace(fresh, sequence=0)
    is_another = not before.is_of(created) or Cause.TAIL_CUT in verdict.by_cause
    if verdict.from_sequence == 1 and (is_another or verdict.reaches_end or verdict.to_sequence >= before.sequence):
        return fresh
    begins_after = verdict.from_sequence == before.sequence + 1
    sequence = max(before.sequence, verdict.to_sequence) if verdict.from_sequence <= before.sequence + 1 else before.sequence
    checked = before.checked + verdict.checked if begins_after else before.checked
    if _heals(before, verdict):
        return replace(fresh, sequence=sequence, checked=checked)
    if verdict.intact and sequence == before.sequence:
        return before
    return _with_faults(replace(before, sequence=sequence, checked=checked, at=fresh.at, by=by), fresh, adds=begins_after)


def _with_root(before: Mark | None, mark: Mark | None, fresh: Mark) -> Mark | None:
    """The mark with the root of the tree up to where it is, if that is known."""
    if mark is None or mark == before:
        return mark
    known = {one.sequence: one.root for one in (before, fresh) if one is not None and one.root is not None}
    return replace(mark, root=known.get(mark.sequence) if mark.intact else None)


def _heals(before: Mark, verdict: Verdict) -> bool:
    """Whether all that made the mark red was read again and found intact."""
    if before.intact or not verdict.intact or before.first_bad_sequence is None:
        return False
    return verdict.from_sequence <= before.first_bad_sequence and verdict.to_sequence >= before.sequence


def _with_faults(mark: Mark, fresh: Mark, *, adds: bool) -> Mark:
    """`mark` with the faults of `fresh` beside its own; what was read or found a second time is not counted twice."""
    before = set(_split(mark.known))
    new = [key for key in _split(fresh.known) if key not in before]
    again = len(fresh.known) // _KEY_BYTES - len(new)
    findings = mark.findings + fresh.findings - again if adds else max(mark.findings, fresh.findings)
    faulty = [one for one in (mark, fresh) if one.first_bad_cause is not None]
    first = min(faulty, key=lambda one: one.first_bad_sequence or 0, default=mark)
    return replace(
        mark,
        intact=mark.intact and fresh.intact,
        findings=findings,
        first_bad_sequence=first.first_bad_sequence,
        first_bad_cause=first.first_bad_cause,
        known=(mark.known + b"".join(new))[: MAX_FINDINGS * _KEY_BYTES],
    )


def _split(known: bytes) -> list[bytes]:
    return [known[start : start + _KEY_BYTES] for start in range(0, len(known), _KEY_BYTES)]


def _key_of(finding: Finding) -> bytes:
    """What makes a finding the same one when it is found again; the end of a stream that was cut moves as it grows."""
    sequence = None if finding.cause is Cause.TAIL_CUT else finding.sequence
    return hashlib.sha256(encode([finding.cause.value, sequence, str(finding.aggregate)])).digest()[:_KEY_BYTES]


def _from_verdict(verdict: Verdict, by: str) -> Mark:
    bad = verdict.first_bad
    return Mark(
        stream=verdict.stream,
        sequence=verdict.to_sequence,
        at=now(),
        by=by,
        intact=verdict.intact,
        findings=verdict.finding_count,
        first_bad_sequence=verdict.first_bad_sequence,
        first_bad_cause=bad.cause if bad else None,
        checked=verdict.checked,
        root=verdict.log.root if verdict.log and verdict.intact else None,
        known=b"".join(dict.fromkeys(_key_of(finding) for finding in verdict.findings)),
    )


def _to_block(mark: Mark) -> bytes:
    cause = mark.first_bad_cause.value if mark.first_bad_cause else None
    created = format_time(mark.created) if mark.created else None
    value = asdict(mark) | {"at": format_time(mark.at), "first_bad_cause": cause, "created": created}
    del value["problem"]
    return encode(value)


def _read(entry: KvEntry) -> Mark:
    try:
        return _parse(entry)
    except (EncodingError, InvalidInput, LookupError, TypeError, ValueError, AttributeError) as error:
        log.warning("%s in %s is no mark: %s", entry.key, MARKS_BUCKET, error)
        return Mark(
            stream=entry.key,
            sequence=0,
            at=entry.time,
            by="",
            intact=False,
            findings=0,
            first_bad_sequence=None,
            first_bad_cause=None,
            checked=0,
            problem=f"what lies under {entry.key} in the bucket {MARKS_BUCKET} cannot be read, so somebody changed it",
        )


def _parse(entry: KvEntry) -> Mark:
    """Raises one of the errors that `_read` expects for what is no mark of this stream."""
    value: Any = decode(entry.value)
    cause, created = value["first_bad_cause"], value.get("created")
    times = {"at": parse_time(value["at"]), "created": parse_time(created) if created else None}
    mark = Mark(**(value | times | {"first_bad_cause": Cause(cause) if cause else None}))
    numbers = (mark.sequence, mark.findings, mark.checked, *([] if mark.first_bad_sequence is None else [mark.first_bad_sequence]))
    if mark.stream != entry.key or any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError("it is of another stream, or a number in it is none")
    texts = (mark.by, mark.run)
    if any(type(text) is not str for text in texts) or type(mark.intact) is not bool or type(mark.known) is not bytes or mark.problem:
        raise ValueError("a field holds what it cannot hold")
    if mark.root is not None and (type(mark.root) is not bytes or len(mark.root) != HASH_BYTES):
        raise ValueError("its root is no hash")
    return mark
