"""This module is the page of one stream as its address asks for it: the whole of it, or a range down to a single event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from apps.persistence.chain import Mark
from apps.persistence.errors import InvalidInput
from apps.persistence.store import Store

from .breaks import Break, read_break
from .causes import BY_NAME
from .checkpoints import Checkpoints, read_checkpoints
from .findings import Found
from .proof import StreamProof, read_marks, read_proof
from .sequences import Inclusion, Row, prove_row, read_rows
from .strip import Strip, draw, wider

FINDINGS_A_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A part of the stream. `rows` are its events where they are few enough, `inclusion` the proof where it is one."""

    strip: Strip
    rows: tuple[Row, ...]
    inclusion: Inclusion | None
    wider: tuple[int, int] | None
    before: tuple[int, int] | None
    after: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsPage:
    """Some of the findings. `of_cause` is the filter; `page` counts from 1."""

    shown: tuple[Found, ...]
    matching: int
    of_cause: str
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.matching // FINDINGS_A_PAGE))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPage:
    """Everything that the page shows."""

    proof: StreamProof
    marks: tuple[Mark, ...]
    checkpoints: Checkpoints
    range: Range | None
    breaks: Break | None
    findings: FindingsPage


async def read_page(store: Store, name: str, given: Mapping[str, str]) -> StreamPage:
    """Raises InvalidInput for a range or a page that is none."""
    proof = await read_proof(store, name)
    checkpoints = await read_checkpoints(store, proof.coverage)
    asked = read_range(given, proof.end)
    shown = await _range(store, proof, *asked) if asked else None
    bad = _first_within(proof, asked)
    return StreamPage(
        proof=proof,
        marks=tuple(await read_marks(store, name)),
        checkpoints=checkpoints,
        range=shown,
        breaks=await read_break(store, proof, checkpoints, bad) if bad else None,
        findings=_findings(proof, given),
    )


def read_range(given: Mapping[str, str], end: int) -> tuple[int, int] | None:
    """The range in an address, cut to the stream. Raises InvalidInput."""
    if not given.get("first") and not given.get("last"):
        return None
    first = _sequence(given.get("first", "") or given.get("last", ""))
    last = _sequence(given.get("last", "") or given.get("first", ""))
    if first > last:
        raise InvalidInput(f"The range {first:,} to {last:,} is none of this stream: it ends at {last:,}, which is before it begins.")
    if end == 0:
        raise InvalidInput(f"The range {first:,} to {last:,} is none of this stream, which is empty.")
    if first > end:
        raise InvalidInput(f"The range {first:,} to {last:,} is none of this stream, which goes from 1 to {end:,}.")
    return first, min(last, end)


def _sequence(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and 0 < len(digits) < 20 and int(digits)):
        raise InvalidInput(f"{text[:40]!r} is no sequence; sequences are whole numbers from 1 on.")
    return int(digits)


async def _range(store: Store, proof: StreamProof, first: int, last: int) -> Range:
    strip, size = draw(proof.facts, first, last), last - first + 1
    rows = tuple(await read_rows(store, proof, first, last)) if strip.is_few else ()
    return Range(
        strip=replace(strip, whole=proof.end),
        rows=rows,
        inclusion=await prove_row(store, proof.coverage, rows[0]) if size == 1 else None,
        wider=wider(first, last, proof.end) if size < proof.end else None,
        before=(max(1, first - size), first - 1) if first > 1 else None,
        after=(last + 1, min(proof.end, last + size)) if last < proof.end else None,
    )


def _first_within(proof: StreamProof, asked: tuple[int, int] | None) -> Found | None:
    """The first finding of the range, or of all."""
    if asked is None:
        return proof.first_bad
    return next((found for found in proof.findings if found.sequence is not None and asked[0] <= found.sequence <= asked[1]), None)


def _findings(proof: StreamProof, given: Mapping[str, str]) -> FindingsPage:
    cause = given.get("cause", "").strip()
    known = {words.name for words, _ in proof.causes}
    if cause and cause not in known and (known or cause not in BY_NAME):
        there = f"there are {', '.join(sorted(known))}" if known else "it has no findings, and no cause is called so"
        raise InvalidInput(f"No finding of {proof.name} has the cause {cause[:60]!r}; {there}.")
    matching = [found for found in proof.findings if cause in ("", found.cause)]
    page = min(_sequence(given.get("page") or "1"), max(1, -(-len(matching) // FINDINGS_A_PAGE)))
    shown = matching[(page - 1) * FINDINGS_A_PAGE : page * FINDINGS_A_PAGE]
    return FindingsPage(shown=tuple(shown), matching=len(matching), of_cause=cause, page=page)
