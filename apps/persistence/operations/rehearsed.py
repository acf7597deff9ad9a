"""This module is what people see of a migration's dry run: a sentence, samples of events and of states, and everything that fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..evolution import Rehearsal
from ..work.operation import Progress, Sample

FAILING_SHOWN = 12


def words_of(found: Rehearsal) -> str:
    """What was found, in two or three sentences."""
    counts = dict(found.counts)
    verdict = " ".join(found.problems) if found.problems else "Nothing stands in the way."
    read = f"Read {counts['events read']:,} events; {counts.get('events written', 0):,} would be written." if found.report else ""
    return " ".join(part for part in (verdict, read, _of_states(counts)) if part)


def samples_of(found: Rehearsal) -> tuple[Sample, ...]:
    """What differs and fails first; then some events that change, the smallest, the largest, some at random, and states that stay."""
    report: Mapping[str, Any] = found.report or {}
    failing = [diff for diff in report.get("diffs", ()) if diff["problem"]]
    whole = [diff for diff in report.get("diffs", ()) if not diff["problem"]]
    events = tuple(_of_event(diff, report["stream"]) for diff in [*failing[:FAILING_SHOWN], *whole])
    states = [_of_state(state) for state in report.get("states", ())]
    return (*(one for one in states if one.is_bad), *events, *(one for one in states if not one.is_bad))


def tell_failures(found: Rehearsal, progress: Progress) -> None:
    """List every event that cannot be transformed and every aggregate that would differ among the run's failures."""
    report: Mapping[str, Any] = found.report or {}
    for diff in report.get("diffs", ()):
        if diff["problem"]:
            progress.fail(_name(diff), diff["problem"], _link(diff, report["stream"]))
    for words in report.get("differences", ()):
        progress.fail(words, "another state than expected")


def _of_states(counts: Mapping[str, int]) -> str:
    compared = counts.get("aggregates compared", 0)
    if not compared or counts.get("aggregates that differ"):
        return ""
    return f"The states of {compared:,} aggregates were compared; all are as expected."


def _of_event(diff: Mapping[str, Any], stream: str) -> Sample:
    sides = [_side(part) for part in diff["after"]]
    return Sample(
        what=_name(diff),
        now=_side(diff["before"]) if diff["before"] else "",
        after="\n".join(sides) if sides else "" if diff["problem"] else "(dropped)",
        note=diff["problem"] or diff["why"],
        is_bad=bool(diff["problem"]),
        link=_link(diff, stream),
    )


def _of_state(state: Mapping[str, Any]) -> Sample:
    return Sample(
        what=f"State of {state['aggregate']}",
        now=_text(state["before"]),
        after=_text(state["after"]),
        note=state["difference"] or "state, as expected",
        is_bad=bool(state["difference"]),
    )


def _name(diff: Mapping[str, Any]) -> str:
    whose = f"{diff['aggregate']} version {diff['version']}, " if diff["aggregate"] else ""
    return f"{whose}sequence {diff['sequence']:,}"


def _link(diff: Mapping[str, Any], stream: str) -> str:
    return f"/streams/{stream}/{diff['sequence']}/"


def _side(part: Mapping[str, Any]) -> str:
    return f"{part['type']} (schema {part['schema']}) {_text(part['payload'])}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str, indent=2)
