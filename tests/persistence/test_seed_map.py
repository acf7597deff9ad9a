"""The map of what was asked for: every row leads to code that is there and to a test that shows it."""

from __future__ import annotations

import re

from . import pages
from .pages import ROOT

MAP = "docs/seed-map.md"
LAST_ROW = 326


def rows() -> list[list[str]]:
    return pages.rows(pages.read(MAP))


def test_every_row_is_there_once_and_in_order() -> None:
    assert [int(row[0]) for row in rows()] == list(range(1, LAST_ROW + 1))


def test_every_row_leads_to_code_that_is_there() -> None:
    missing = [(row[0], place) for row in rows() for place in pages.names_in(row[2]) if not (ROOT / place).exists()]

    assert missing == []
    assert [row[0] for row in rows() if not pages.names_in(row[2])] == []


def test_every_row_is_shown_by_a_test_that_is_there() -> None:
    missing = [(row[0], test) for row in rows() for test in pages.names_in(row[3]) if not _is_there(test)]

    assert missing == []
    assert [row[0] for row in rows() if not pages.names_in(row[3])] == []


def _is_there(test: str) -> bool:
    name, _, function = test.partition("::")
    file = ROOT / "tests" / name
    return file.is_file() and re.search(rf"def {function or 'test_'}", file.read_text(encoding="utf-8")) is not None
