"""This module is what a restored stream is held against: the chains in it, or its messages counted, and what the backup says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from ..chain import Progress as ChainProgress
from ..chain import verify_stream
from ..registry import Registry
from ..store import Store, StreamInfo, find_layout, get_stream, list_consumers, open_reader
from ..transfer import BackupManifest
from .counting import counted

OnPart = Callable[[float], Awaitable[None]]
_OTHER = frozenset({"name", "subjects", "metadata", "mirror", "sources", "republish", "subject_transform"})
"""What is not compared: it was changed on purpose, or is the server's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found. `faults` are empty where the stream is what was backed up; `how` says in words what that rests on."""

    messages: int
    faults: tuple[str, ...]
    how: str


async def verify_restored(store: Store, registry: Registry, manifest: BackupManifest, name: str, on_part: OnPart) -> Found:
    """Hold the stream `name` against the manifest. `on_part` hears how far it is, 0 to 1. Raises StreamNotFound, Unavailable."""
    info = await get_stream(store.connection, name)
    faults = [*_config_faults(info, manifest), *await _consumer_faults(store, info, manifest)]
    layout = find_layout((layout for layout in registry.layouts if layout.is_chained), manifest.stream)
    if layout is not None:
        messages, how, wrong = await _read_chains(store.on(replace(layout, stream=name, is_pinned=True)), info, on_part)
        faults += wrong
    elif info.retention == "limits":
        messages = await _count(store, info, on_part)
        how = f"{counted(messages, 'message')} read"
    else:  # reading by a consumer could take messages away
        messages, how = info.messages, f"{counted(info.messages, 'message')} by its state, as reading would take them"
    faults += _state_faults(info, manifest, messages)
    fewer = manifest.messages - messages
    gone = f", {fewer:,} fewer than when the backup began, as its limits or readers may have taken them" if fewer > 0 else ""
    return Found(messages=messages, faults=tuple(faults), how=f"{how}{gone}, up to sequence {info.last_sequence:,}")


async def _read_chains(chained: Store, info: StreamInfo, on_part: OnPart) -> tuple[int, str, list[str]]:
    async def on_progress(at: ChainProgress) -> None:
        await on_part(at.checked / max(1, info.messages))

    verdict = await verify_stream(chained, to_sequence=info.last_sequence, on_progress=on_progress)
    events, aggregates = counted(verdict.checked, "event"), counted(verdict.aggregates, "aggregate")
    how = f"{events} of {aggregates} intact, each by its bytes, its place and its link"
    if verdict.intact:
        return verdict.checked, how, []
    first = verdict.findings[0].explanation if verdict.findings else "see its verification"
    return verdict.checked, how, [f"verification has {counted(verdict.finding_count, 'finding')}, the first: {first.rstrip('.')}"]


async def _count(store: Store, info: StreamInfo, on_part: OnPart) -> int:
    """How many messages can be read of those that were there when this began."""
    found = 0
    if not info.messages:
        return found
    async with open_reader(store.connection, info.name, to_sequence=info.last_sequence) as reader:
        async for messages in reader:
            found += len(messages)
            await on_part(found / max(1, info.messages))
    return found


def _state_faults(info: StreamInfo, manifest: BackupManifest, messages: int) -> list[str]:
    """Exact where nothing was written since the backup began and nothing can go by itself; else only what can never be."""
    faults = []
    if info.last_sequence < manifest.last_sequence:
        faults.append(f"its last sequence is {info.last_sequence:,}, and the backup's is {manifest.last_sequence:,}")
    expires = bool(info.config.get("max_age") or info.config.get("allow_msg_ttl"))
    if info.last_sequence == manifest.last_sequence and info.retention == "limits" and not expires and messages != manifest.messages:
        faults.append(f"{messages:,} messages can be read, and the backup's manifest says {manifest.messages:,}")
    if info.retention == "limits" and messages < info.messages and not expires:
        faults.append(f"{messages:,} messages can be read of the {info.messages:,} that it says it has")
    return faults


def _config_faults(info: StreamInfo, manifest: BackupManifest) -> list[str]:
    now: dict[str, Any] = dict(info.config)
    changed = [key for key, value in manifest.config.items() if key not in _OTHER and now.get(key, value) != value]
    return [f"{key} is {now[key]} and was {manifest.config[key]}" for key in changed]


async def _consumer_faults(store: Store, info: StreamInfo, manifest: BackupManifest) -> list[str]:
    there = {consumer.name for consumer in await list_consumers(store.connection, info.name)} if manifest.durables else set()
    missing = [name for name in manifest.durables if name not in there]
    return [f"its consumer{'s' if len(missing) > 1 else ''} {' '.join(missing)} did not come back"] if missing else []
