"""This module is the generated part of docs/performance.md, between two markers: the machine and the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .figures import Figure, to_markdown

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write_document(facts: Sequence[str], figures: Sequence[Figure], *, path: Path = DOCUMENT) -> None:
    """Put the figures where the old ones were. Raises ValueError where the markers are missing."""
    path.write_text(with_figures(path.read_text(encoding="utf-8"), facts, figures), encoding="utf-8")


def with_figures(text: str, facts: Sequence[str], figures: Sequence[Figure]) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The document has no lines {BEGIN} and {END}; put them where the table belongs.")
    machine = "\n".join(f"* {fact}" for fact in facts)
    return f"{before}{BEGIN}\n\n{machine}\n\n{to_markdown(figures)}\n\n{END}{after}"
