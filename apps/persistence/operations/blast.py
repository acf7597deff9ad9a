"""This module is the blast radius of a change of a stream: who reads it, what copies it, and what it is the storage of."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import Registry
from ..store import Connection, ConsumerInfo, StreamInfo, list_consumers, list_streams
from .protection import is_chained

NAMED = 12


async def blast_radius(connection: Connection, registry: Registry, info: StreamInfo) -> tuple[str, ...]:
    """What else a change of this stream touches, a sentence each; nothing where it stands alone."""
    consumers = await list_consumers(connection, info.name) if info.consumers else []
    return (
        *_storage_of(info),
        *_of_consumers(consumers),
        *await _of_copies(connection, info),
        *_of_projections(registry, info),
        *_of_chains(registry, info),
    )


def _storage_of(info: StreamInfo) -> tuple[str, ...]:
    if info.name.startswith("KV_"):
        return (f"It is the key-value bucket {info.name[3:]} with {info.subject_count:,} keys; whoever uses that bucket is touched.",)
    if info.name.startswith("OBJ_"):
        return (f"It is the object store {info.name[4:]}; objects lose the parts that go.",)
    return ()


def _of_consumers(consumers: Sequence[ConsumerInfo]) -> tuple[str, ...]:
    most = sorted(consumers, key=lambda consumer: consumer.lag, reverse=True)
    named = [
        f"Consumer {consumer.name} reads it{' now' if consumer.is_bound else ''}: {consumer.pending:,} pending, "
        f"{consumer.ack_pending:,} not acknowledged."
        for consumer in most[:NAMED]
    ]
    left = len(consumers) - len(named)
    return (*named, f"And {left:,} more consumers read it.") if left > 0 else tuple(named)


async def _of_copies(connection: Connection, info: StreamInfo) -> tuple[str, ...]:
    streams = await list_streams(connection)
    mirrors = [f"{stream.name} mirrors it; what goes here stays there." for stream in streams if stream.mirror == info.name]
    sources = [f"{stream.name} copies from it; what was copied stays there." for stream in streams if info.name in stream.sources]
    return (*mirrors, *sources)


def _of_projections(registry: Registry, info: StreamInfo) -> tuple[str, ...]:
    names = sorted(name for name, definition in registry.projections.items() if definition.stream == info.name)
    return (f"Projections read it: {', '.join(names)}. A replay will not see again what goes.",) if names else ()


def _of_chains(registry: Registry, info: StreamInfo) -> tuple[str, ...]:
    if not is_chained(registry, info.name):
        return ()
    return (
        "It holds chains: states can no longer be folded from what goes, and a version that is gone could be written again. "
        "Verification will name this run and its reason instead of a fault.",
    )
