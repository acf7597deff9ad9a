"""This module is a domain of a user's own for the tests of declared streams: one that there is already, and is otherwise."""

from __future__ import annotations

from datetime import timedelta

from apps.persistence.registry import Domain
from apps.persistence.store import EventStreamConfig

LEDGER = EventStreamConfig(name="LEDGER", subjects=("ledger.>",), max_age=timedelta(days=365))
FRESH = EventStreamConfig(name="FRESH", subjects=("fresh.>",), max_age=timedelta(days=30))

DOMAIN = Domain(name="drift-test", title="Drift test", streams=(LEDGER, FRESH))
