"""This module is the newest list of heads as a layer of verification: no aggregate that it names may be left out, nor end earlier."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from ..chain import Beside, Cause, Finding
from ..errors import CidNotFound, ContentDamaged, PersistenceError, Unavailable
from ..heads import BucketUnavailable, Comparison, Manifest, Omission, compare_with_manifest, newest_manifest
from ..store import Store

BEHIND_SECONDS = 2.0
_NONE = "That no aggregate was left out long ago: no list of all heads is recorded for {stream} (record-heads does that)."


async def look_at_heads(store: Store, causes: Collection[Cause]) -> Beside:
    """Hold the stream against the newest list; `causes` are those found already.

    A list that its event promises and that is not there, or is another one, is a fault; no operation removes one.
    Raises Unavailable where the stream or CIM-CONSOLE cannot be read.
    """
    stream = store.layout.stream
    try:
        manifest = await newest_manifest(store, stream)
        if manifest is None:
            return Beside(does_not_prove=(_NONE.format(stream=stream),))
        found = await _compare(store, manifest)
    except BucketUnavailable as error:
        return Beside(does_not_prove=(f"That no aggregate was left out: the list of heads is unavailable now. {error}",))
    except Unavailable:
        raise
    except PersistenceError as error:
        return Beside(does_not_prove=(f"That no aggregate was left out: the list of heads cannot be read. {error}",))
    if isinstance(found, Beside):
        return found
    findings = tuple(finding for one in found.omitted if (finding := _finding(found, one, causes)) is not None)
    if found.omitted_count:
        return Beside(findings=findings)
    return Beside(
        proves=(
            f"All {found.aggregates:,} aggregates that were listed on {manifest.at:%Y-%m-%d at %H:%M} UTC, up to sequence "
            f"{manifest.sequence:,}, are there with their newest events of then{_but(found.removed)}.",
        )
    )


async def _compare(store: Store, manifest: Manifest) -> Comparison | Beside:
    """What the list shows, or what is to be said of a list that is gone. A replica that is behind has its time to catch up."""
    try:
        return await compare_with_manifest(store, manifest)
    except (CidNotFound, ContentDamaged):
        await asyncio.sleep(BEHIND_SECONDS)
    try:
        return await compare_with_manifest(store, manifest)
    except (CidNotFound, ContentDamaged) as error:
        return Beside(findings=(_gone(manifest, error),))


def _gone(manifest: Manifest, error: CidNotFound | ContentDamaged) -> Finding:
    """No operation removes from the console's own buckets, so that nothing explains it."""
    return Finding(
        cause=Cause.LIST_GONE,
        aggregate=None,
        version=None,
        sequence=None,
        expected=str(manifest.cid),
        found="nothing" if isinstance(error, CidNotFound) else "other bytes",
        explanation=(
            f"{error} Its event says that {manifest.by} had {manifest.aggregates:,} aggregates listed up to sequence "
            f"{manifest.sequence:,}, on {manifest.at:%Y-%m-%d at %H:%M} UTC. The console never removes a list, so somebody took it away, "
            "or it was not brought back with the rest; without it nobody sees by it what was left out."
        ),
    )


def _but(removed: int) -> str:
    return f", but for {removed:,} whose newest event recorded runs or the stream's limits removed" if removed else ""


def _finding(found: Comparison, one: Omission, causes: Collection[Cause]) -> Finding | None:
    """Where another event has the head's place, other layers name what was changed; the list does where they found nothing."""
    if one.found is not None and causes:
        return None
    return Finding(
        cause=Cause.OMITTED if one.found is None else Cause.HISTORY_REWRITTEN,
        aggregate=one.aggregate,
        version=one.version,
        sequence=one.sequence,
        expected=str(one.expected),
        found=str(one.found or "nothing"),
        explanation=f"{one.explanation} The list of heads {found.manifest.cid} names it, recorded by {found.manifest.by}.",
    )
