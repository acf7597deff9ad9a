"""This module is the last event of a run: how it ended, with figures and samples that are never larger than an event may be."""

from __future__ import annotations

from dataclasses import asdict

from ..encoding import Value
from ..events import NewEvent
from .operation import SAMPLES_KEPT, Outcome, Sample

SAMPLE_LETTERS = 2_000


def finished(worker: str, outcome: Outcome, *, failed_items: int = 0) -> NewEvent:
    """It ended, though some items may have failed."""
    figures = outcome.figures | ({"failed": failed_items} if failed_items else {})
    samples: list[Value] = [_cut(sample) for sample in outcome.samples[:SAMPLES_KEPT]]
    kept: dict[str, Value] = {"samples": samples} if samples else {}
    return NewEvent(type="finished", payload={"outcome": outcome.sentence, "figures": figures, **kept}, actor=worker)


def failed(worker: str, reason: str) -> NewEvent:
    """It could not be done."""
    figures: dict[str, Value] = {}
    return NewEvent(type="failed", payload={"outcome": reason, "figures": figures}, actor=worker)


def _cut(sample: Sample) -> Value:
    fields: dict[str, Value] = asdict(sample)
    return {name: value[:SAMPLE_LETTERS] if isinstance(value, str) else value for name, value in fields.items()}
