"""This module is the record of conflicts: what several nodes wrote after the same event while they were apart, and what was kept.

One key for each place where histories parted. Its value is made from the events alone, so every server that gathered the same events
holds the same bytes, whoever came first.
"""

from __future__ import annotations

from typing import cast

from ..encoding import Cid, Value, decode, encode
from ..events import AggregateRef
from ..events.identity import format_time
from ..store import Connection, Store, kv_all, kv_get, kv_put, load
from .gathered import Gathered, gathered_of
from .link import SYNC_BUCKET
from .merge import Conflict, ConflictRule, Merged, merge

PREFIX = "conflict"


async def merged_of(store: Store, aggregate: AggregateRef, *, node: str, rule: ConflictRule = ConflictRule.KEEP_ALL) -> Merged:
    """One order of everything that this node, under its name, and all others said of an aggregate."""
    own = await load(store, aggregate)
    said = [Gathered(node=node, stored=stored) for stored in own.events] + await gathered_of(store, aggregate)
    return merge(aggregate, said, rule)


async def record_conflicts(connection: Connection, merged: Merged) -> int:
    """Keep each conflict; how many were new or had changed."""
    written = 0
    for conflict in merged.conflicts:
        key, value = _key(conflict.aggregate, conflict.parent), encode(_to_value(conflict))
        entry = await kv_get(connection, SYNC_BUCKET, key)
        if entry is None or entry.value != value:
            await kv_put(connection, SYNC_BUCKET, key, value, expected_revision=entry.revision if entry else 0)
            written += 1
    return written


async def list_conflicts(connection: Connection) -> list[dict[str, Value]]:
    """All recorded conflicts, by aggregate."""
    return [cast("dict[str, Value]", decode(entry.value)) for entry in await kv_all(connection, SYNC_BUCKET, prefix=PREFIX)]


def _key(aggregate: AggregateRef, parent: Cid | None) -> str:
    return f"{PREFIX}.{aggregate.context}.{aggregate.type}.{aggregate.id}.{parent or 'beginning'}"


def _to_value(conflict: Conflict) -> dict[str, Value]:
    return {
        "aggregate": str(conflict.aggregate),
        "parent": conflict.parent,
        "rule": conflict.rule.value,
        "kept": list(conflict.kept),
        "contenders": [
            {
                "cid": one.cid,
                "nodes": list(one.nodes),
                "version": one.event.version,
                "type": one.event.type,
                "time": format_time(one.event.time),
                "actor": one.event.actor,
            }
            for one in conflict.contenders
        ],
    }
