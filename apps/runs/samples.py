"""This module is a run's samples as its page shows them: two texts side by side, line by line, with what differs marked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from apps.persistence.work.operation import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a sample, and whether it is missing on the other side."""

    text: str
    is_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSample:
    """A sample with the lines of both sides."""

    sample: Sample
    now: tuple[Line, ...]
    after: tuple[Line, ...]

    @property
    def is_same(self) -> bool:
        return self.sample.now == self.sample.after


def shown(samples: Sequence[Sample]) -> list[ShownSample]:
    """Every sample, in its order."""
    return [_shown(sample) for sample in samples]


def _shown(sample: Sample) -> ShownSample:
    now, after = sample.now.splitlines(), sample.after.splitlines()
    blocks = SequenceMatcher(None, now, after, autojunk=False).get_matching_blocks()
    return ShownSample(
        sample=sample,
        now=_lines(now, {place for block in blocks for place in range(block.a, block.a + block.size)}),
        after=_lines(after, {place for block in blocks for place in range(block.b, block.b + block.size)}),
    )


def _lines(texts: Sequence[str], same: Collection[int]) -> tuple[Line, ...]:
    return tuple(Line(text=text, is_changed=place not in same) for place, text in enumerate(texts))
