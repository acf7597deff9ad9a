"""This module is what a run found wrong: the first of it in the receipt, more of it in chunks beside the run's progress, all of it counted.

Findings are added as a run goes on. The newest of them lie in the checkpoint until a chunk is full, so that a killed run neither loses
nor repeats one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from ..encoding import Value, decode, encode
from ..errors import StreamNotFound
from ..store import Connection, ensure_bucket, kv_get_many, kv_put
from .run import RUNS_BUCKET, Run

IN_RECEIPT = 100
KEPT = 10_000
CHUNK = 50
TEXT_LETTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinding:
    """One thing that is wrong. `stream`, `aggregate`, `version` and `sequence` say where, as far as that can be said.

    `expected` and `found` are short texts, `link` is a path in the console.
    """

    cause: str
    expected: str
    found: str
    explanation: str
    stream: str = ""
    aggregate: str | None = None
    version: int | None = None
    sequence: int | None = None
    link: str = ""

    def to_value(self) -> dict[str, Value]:
        fields: dict[str, Value] = asdict(self)
        return {name: value[:TEXT_LETTERS] if isinstance(value, str) else value for name, value in fields.items()}


class RunFindings:
    """Collects what a run finds. `checkpoint` belongs into the checkpoint of the run and is given back as `before`."""

    def __init__(self, connection: Connection, run_id: str, before: Value = None) -> None:
        kept = cast("dict[str, Any]", before) if before else {}
        self.by_cause: dict[str, int] = dict(kept.get("by_cause", {}))
        self._first: list[Value] = list(kept.get("first", ()))
        self._waiting: list[Value] = list(kept.get("waiting", ()))
        self._chunks: int = kept.get("chunks", 0)
        self._connection = connection
        self._run_id = run_id

    @property
    def count(self) -> int:
        return sum(self.by_cause.values())

    @property
    def checkpoint(self) -> dict[str, Value]:
        """What an attempt after this one goes on from."""
        return {"by_cause": dict(self.by_cause), "first": list(self._first), "waiting": list(self._waiting), "chunks": self._chunks}

    @property
    def figures(self) -> dict[str, Value]:
        """What the receipt keeps; `intact` is False where anything was found."""
        return {"intact": not self.count, "finding_count": self.count, "by_cause": dict(self.by_cause), "findings": list(self._first)}

    async def add(self, finding: RunFinding) -> None:
        """Count it, and keep it if there is room."""
        self.by_cause[finding.cause] = self.by_cause.get(finding.cause, 0) + 1
        if len(self._first) < IN_RECEIPT:
            self._first.append(finding.to_value())
        if self.count <= KEPT:
            self._waiting.append(finding.to_value())
        if len(self._waiting) >= CHUNK:
            await self.save()

    async def save(self) -> None:
        """Write down what waits; at the end of a run, too."""
        if self._waiting:
            await ensure_bucket(self._connection, RUNS_BUCKET)
            await kv_put(self._connection, RUNS_BUCKET, _key(self._run_id, self._chunks), encode(self._waiting))
            self._chunks, self._waiting = self._chunks + 1, []


async def read_findings(connection: Connection, run: Run) -> list[Mapping[str, Value]]:
    """Everything that is kept of what a run found: at most 10,000. Of runs before findings were kept so, what the receipt has."""
    found: list[Mapping[str, Value]] = []
    names = [_key(run.id, number) for number in range(KEPT // CHUNK)]
    try:
        entries = await kv_get_many(connection, RUNS_BUCKET, names)
    except StreamNotFound:
        entries = {}
    for name in names:
        if name in entries:
            found += cast("list[Mapping[str, Value]]", decode(entries[name].value))
    return found or findings_in(run)


def findings_in(run: Run) -> list[Mapping[str, Value]]:
    """What the receipt of a run keeps of what it found."""
    listed = run.figures.get("findings")
    return cast("list[Mapping[str, Value]]", listed) if isinstance(listed, list) else []


def _key(run_id: str, chunk: int) -> str:
    return f"{run_id}.findings.{chunk:04d}"
