"""The page about the organization names exactly what its aggregates declare."""

from __future__ import annotations

import re

import pytest

from apps.domain.company import KINDS
from apps.domain.declared.kinds import AggregateKind
from tests.persistence.pages import ROOT


def section_of(title: str) -> str:
    text = (ROOT / "docs/organization.md").read_text(encoding="utf-8")
    return re.split(r"\n### ", text.partition(f"\n### {title}\n")[2])[0]


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def listed(section: str, word: str) -> list[str]:
    return spans(section.partition(f"\n{word}: ")[2].partition("\n\n")[0])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_page_names_the_commands_events_and_states_of_each_aggregate(kind: AggregateKind) -> None:
    section = section_of(kind.title)

    assert listed(section, "Commands") == list(kind.command_kinds)
    assert listed(section, "Events") == list(kind.event_kinds)
    rows = [spans(row) for row in section.splitlines() if row.startswith("| `")]
    assert rows == [[str(state), *map(str, kind.machine.valid_transitions(state))] for state in kind.machine.transitions]
    assert section.strip().startswith(f"`{kind.id.context}.{kind.id.type}`.")
