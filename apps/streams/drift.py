"""This module is where a stream differs from what the console or a domain declares."""

from __future__ import annotations

from apps.persistence.store import Drift, Store, StreamInfo, drift_of
from apps.registry import registry

from .addresses import observed_by


def drift_here(store: Store, stream: StreamInfo) -> tuple[Drift, ...]:
    """Where a stream of the home connection differs from what is declared; nothing is declared for others."""
    declared = None if observed_by(store) else registry().declared_stream(stream.name)
    return drift_of(declared, stream) if declared else ()
