"""This module is versions that are missing so far: a hole can still be filled by an event that lies later than it should."""

from __future__ import annotations

from dataclasses import dataclass

from .examine import Place
from .findings import Findings, ref_of
from .gaps import Range, SequenceGaps, name_ranges
from .verdict import Cause, Finding


@dataclass(slots=True, kw_only=True)
class _Hole:
    """Versions of one aggregate that are missing before the event at `before`, whose link is `link`."""

    missing: list[Range]
    last: int
    after: int
    before: int
    link: bytes
    gaps: list[Range]
    finding: int


class Holes:
    """Reports missing versions, and takes that back where they turn up. Remembers as many holes as findings are kept."""

    def __init__(self, findings: Findings, gaps: SequenceGaps, *, gaps_from: int | None) -> None:
        """From sequence `gaps_from` on, `gaps` knows every gap; None where it knows nothing of gaps."""
        self._findings = findings
        self._gaps = gaps
        self._gaps_from = gaps_from
        self._open: dict[str, list[_Hole]] = {}
        self._expected: set[tuple[str, int]] = set()

    def add(self, key: str, missing: Range, *, after: int, before: int, link: bytes) -> None:
        """Report `missing` versions of `key` between the sequences `after` (0: it has none before) and `before`."""
        gaps = self._gaps.take(missing.size, after=after, before=before)
        hole = _Hole(missing=[missing], last=missing.last, after=after, before=before, link=link, gaps=gaps, finding=-1)
        hole.finding = self._findings.add(self._describe(key, hole))
        if self._findings.at(hole.finding) is not None:
            self._open.setdefault(key, []).append(hole)

    def expect(self, place: Place) -> None:
        """Know that this version was missing before the walk began."""
        self._expected.add((place.key, place.version))

    def fill(self, key: str, version: int, cid: bytes) -> str | None:
        """If `version` was missing, take that back and say what the late event is; else None."""
        if (key, version) in self._expected:
            self._expected.discard((key, version))
            return ""
        for hole in self._open.get(key, ()):
            for part in hole.missing:
                if part.first <= version <= part.last:
                    self._fill(key, hole, part, version)
                    return _compare_link(hole, version, cid)
        return None

    def _fill(self, key: str, hole: _Hole, part: Range, version: int) -> None:
        rest = [Range(part.first, version - 1), Range(version + 1, part.last)]
        hole.missing = [other for other in hole.missing if other is not part] + [piece for piece in rest if piece.size > 0]
        hole.missing.sort()
        for gap in hole.gaps:
            self._gaps.add(gap)
        if hole.missing:
            hole.gaps = self._gaps.take(sum(piece.size for piece in hole.missing), after=hole.after, before=hole.before)
            self._findings.replace(hole.finding, self._describe(key, hole))
            return
        self._findings.replace(hole.finding, None)
        self._open[key].remove(hole)

    def _describe(self, key: str, hole: _Hole) -> Finding:
        versions = name_ranges(hole.missing)
        one = sum(piece.size for piece in hole.missing) == 1
        where = f"between sequence {hole.after:,} and {hole.before:,}" if hole.after else f"before sequence {hole.before:,}"
        explanation = f"{key} goes on at sequence {hole.before:,} without version{'' if one else 's'} {versions}, due {where}."
        if hole.gaps:
            explanation += f" The stream holds nothing at {name_ranges(hole.gaps)}: removed, expired, or lost by the server."
        elif self._gaps_from is not None and hole.after + 1 >= self._gaps_from:
            explanation += " No sequence is empty there: a writer left it out, or the stream was written anew without it."
        return Finding(
            cause=Cause.MISSING,
            aggregate=ref_of(key),
            version=hole.missing[0].first,
            sequence=hole.before,
            expected=f"version {hole.missing[0].first}",
            found=f"version {hole.last + 1}",
            explanation=explanation,
        )


def _compare_link(hole: _Hole, version: int, cid: bytes) -> str:
    if version != hole.last:
        return ""
    if cid == hole.link:
        return f"It is what version {version + 1} links to, so only its place is wrong."
    return f"Version {version + 1} links to other content, so this is not the event that once stood there."
