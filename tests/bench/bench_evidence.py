"""This module is the measure of evidence: how large a file is for each of its events, and how long the verifier needs for it.

The log is made in memory. Its events are chains of a hundred, each event as far from the next of its chain as in a busy stream.
"""

from __future__ import annotations

import time

from apps.persistence.encoding import cid_of
from apps.persistence.events import AggregateRef, Event
from apps.persistence.transfer.evidence import Evidence
from apps.persistence.transfer.evidence_texts import README, VERIFIERS
from apps.persistence.transfer.evidence_verifier import verify
from tests.persistence.made_evidence import MadeLog
from tests.persistence.raw_stream import make_event

from .figures import Figure
from .measured_domain import CONTEXT, TYPE, payload_of

EVENTS, CHAINS = 20_000, 200
PICKED = {
    "1 event": slice(EVENTS // 2, EVENTS // 2 + 1),
    "an aggregate of 100 events": slice(0, EVENTS, CHAINS),
    "10,000 events in a row": slice(5_000, 15_000),
}


def measure_evidence() -> list[Figure]:
    log = MadeLog(events=_interleaved())
    beside = len(README.encode()) + sum(path.stat().st_size for path in VERIFIERS)
    return [_measured(f"evidence of {what} among {EVENTS:,}", log.evidence(picked), beside) for what, picked in PICKED.items()]


def _measured(what: str, evidence: Evidence, beside: int) -> Figure:
    began = time.process_time()
    lines = verify(evidence.data)
    seconds = time.process_time() - began
    assert f": {evidence.events} events under" in lines[0]
    each = (len(evidence.data) - beside) / evidence.events
    note = f"{len(evidence.data):,} bytes in all, {beside:,} of them the verifiers and the README; verified in {seconds * 1000:,.0f} ms"
    return Figure(what=what, measured=f"{each:,.0f} bytes for each", note=note)


def _interleaved() -> list[Event]:
    """Chains of events in turn, as they would lie in a stream."""
    refs = [AggregateRef(CONTEXT, TYPE, f"e{number}") for number in range(CHAINS)]
    tips: dict[AggregateRef, Event] = {}
    events: list[Event] = []
    for place in range(EVENTS):
        ref = refs[place % CHAINS]
        before = tips.get(ref)
        event = make_event(ref, before.version + 1 if before else 1, cid_of(before.to_block()) if before else None, payload_of(place))
        tips[ref] = event
        events.append(event)
    return events
