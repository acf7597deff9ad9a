"""This module is the measure of the block format: blocks encoded and hashed, and decoded and verified, in a second on one core."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from apps.persistence.encoding import Cid, Value, cid_of, decode, encode
from apps.persistence.encoding.exact_decoder import decode_exactly
from apps.persistence.encoding.exact_encoder import encode_exactly

WANTED_PER_SECOND = 50_000
ROUNDS = 5
ROUND_SECONDS = 0.3
CALLS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure: the median of the rounds, in CPU time, so that a busy machine disturbs it little."""

    what: str
    per_second: int
    wanted_per_second: int | None

    @property
    def is_met(self) -> bool:
        return self.wanted_per_second is None or self.per_second >= self.wanted_per_second


def make_event(payload: dict[str, Value]) -> dict[str, Value]:
    """An event with all its fields and a link to the one before."""
    return {
        "aggregate": {"context": "sales", "type": "order", "id": "7f3c91e0-5b1d-4f0e-9a58-2f6d3b1c7a90"},
        "version": 6,
        "type": "item_added",
        "schema": 1,
        "id": "01934f2a-7c11-7d3e-8b55-1a2b3c4d5e6f",
        "time": "2026-11-21T10:40:31.904218Z",
        "actor": "web",
        "correlation": "01934f2a-7c11-7d3e-8b55-1a2b3c4d5e70",
        "causation": None,
        "scope": "cluster",
        "previous": cid_of(b"the event before"),
        "payload": payload,
        "metadata": {},
    }


def make_rows() -> list[Row]:
    one_text = make_event({"note": "n" * 192})
    many_fields = make_event({f"field_{index}": f"value {index:05}" if index % 2 else index * 1_000 for index in range(13)})
    return [
        *_measure_event("payload of one text", one_text),
        *_measure_event("payload of 13 fields", many_fields),
        _measure("exact encode, where the fast path has doubts", lambda: encode_exactly(one_text)),
        _measure("exact decode, where the fast path has doubts", _decoding(encode(one_text))),
        _measure("text of a CID", _formatting(cid_of(b"a block"))),
    ]


def main() -> list[Row]:
    rows = make_rows()
    for row in rows:
        wanted = f"  wanted {row.wanted_per_second:,}: {'met' if row.is_met else 'MISSED'}" if row.wanted_per_second else ""
        print(f"{row.per_second:>10,} a second  {row.what}{wanted}")
    return rows


def _measure_event(name: str, event: dict[str, Value]) -> list[Row]:
    block = encode(event)
    cid = cid_of(block)
    sizes = f"{name}, {len(encode(event['payload']))} bytes in a block of {len(block)}"

    def verify() -> None:
        decode(block)
        if cid_of(block) != cid:
            raise AssertionError(name)

    return [
        _measure(f"encode and hash, {sizes}", lambda: cid_of(encode(event)), WANTED_PER_SECOND),
        _measure(f"strict decode and verify, {sizes}", verify, WANTED_PER_SECOND),
    ]


def _decoding(block: bytes) -> Callable[[], object]:
    return lambda: decode_exactly(block)


def _formatting(cid: Cid) -> Callable[[], object]:
    return lambda: str(cid)


def _measure(what: str, function: Callable[[], object], wanted_per_second: int | None = None) -> Row:
    gc.collect()
    median = statistics.median(_run_round(function) for _ in range(ROUNDS))
    return Row(what=what, per_second=round(median), wanted_per_second=wanted_per_second)


def _run_round(function: Callable[[], object]) -> float:
    calls = 0
    start = time.process_time()
    while (passed := time.process_time() - start) < ROUND_SECONDS:
        for _ in range(CALLS_AT_ONCE):
            function()
        calls += CALLS_AT_ONCE
    return calls / passed


if __name__ == "__main__":
    main()
