"""This module is the configuration of a stream in words: what each setting means, and what in it ought to worry somebody."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from apps.display.figures import count, iso, size, span
from apps.persistence.store import Drift, Layout, Store, StreamInfo, get_stream
from apps.registry import informed

from .drift import drift_here
from .marks import layouts_of
from .names import is_system

_RETENTION = {
    "limits": "Kept until a limit is reached",
    "workqueue": "Work queue: removed once acknowledged",
    "interest": "Interest: removed once every consumer has acknowledged",
}
_DISCARD = {"old": "The oldest events give way", "new": "New events are refused"}
_STORAGE = {"file": "On file", "memory": "In memory: gone when the server restarts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One setting: its title, its value in words, and what it is called in the configuration."""

    title: str
    value: str
    key: str
    is_identity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Settings that belong together."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Something in the configuration that matters, with what to do."""

    state: Literal["bad", "warn", "info"]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationPage:
    """The configuration of one stream."""

    stream: StreamInfo
    sections: tuple[Section, ...]
    concerns: tuple[Concern, ...]
    drift: tuple[Drift, ...]
    raw: str


async def read_configuration(store: Store, name: str) -> ConfigurationPage:
    """Raises StreamNotFound, InvalidInput or Unavailable."""
    stream = await get_stream(store.connection, name)
    layouts = layouts_of(informed(store).layouts, name)
    return ConfigurationPage(
        stream=stream,
        sections=sections_of(stream),
        concerns=concerns_of(stream, layouts[0] if layouts else None),
        drift=drift_here(store, stream),
        raw=json.dumps(dict(stream.config), indent=2, sort_keys=True),
    )


def info_command(stream: str) -> str:
    """The same with the NATS command line."""
    return f"nats stream info {shlex.quote(stream)} --json"


def sections_of(stream: StreamInfo) -> tuple[Section, ...]:
    """Every setting that says something, in four groups."""
    config = stream.config
    return (
        Section(title="What it holds", facts=_contents(stream, config)),
        Section(title="Limits", facts=_limits(config)),
        Section(title="Safety", facts=_safety(stream, config)),
        Section(title="Reading and writing", facts=_access(config)),
    )


def concerns_of(stream: StreamInfo, layout: Layout | None) -> tuple[Concern, ...]:
    """What is wrong or surprising, the worst first."""
    is_chained = layout is not None and layout.is_chained
    found = [concern for check in _CHECKS if (concern := check(stream, is_chained))]
    return tuple(sorted(found, key=lambda concern: ("bad", "warn", "info").index(concern.state)))


def _contents(stream: StreamInfo, config: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts = [Fact(title="Subjects", value=" ".join(stream.subjects) or "none of its own", key="subjects", is_identity=True)]
    if config.get("description"):
        facts.append(Fact(title="Description", value=str(config["description"]), key="description"))
    if stream.mirror:
        facts.append(Fact(title="Mirror of", value=stream.mirror, key="mirror", is_identity=True))
    if stream.sources:
        facts.append(Fact(title="Copies from", value=" ".join(stream.sources), key="sources", is_identity=True))
    facts.append(Fact(title="Retention", value=_RETENTION.get(stream.retention, stream.retention), key="retention"))
    facts.append(Fact(title="Storage", value=_STORAGE.get(stream.storage, stream.storage), key="storage"))
    if config.get("compression", "none") != "none":
        facts.append(Fact(title="Compression", value=str(config["compression"]), key="compression"))
    if stream.created:
        facts.append(Fact(title="Created", value=iso(stream.created), key="created", is_identity=True))
    return tuple(facts)


def _limits(config: Mapping[str, Any]) -> tuple[Fact, ...]:
    return (
        Fact(title="Most events", value=_limit(config, "max_msgs", count), key="max_msgs"),
        Fact(title="Most bytes", value=_limit(config, "max_bytes", size), key="max_bytes"),
        Fact(title="Greatest age", value=_limit(config, "max_age", _duration), key="max_age"),
        Fact(title="Most events of one subject", value=_limit(config, "max_msgs_per_subject", count), key="max_msgs_per_subject"),
        Fact(title="Largest event", value=_limit(config, "max_msg_size", size), key="max_msg_size"),
        Fact(title="Most consumers", value=_limit(config, "max_consumers", count), key="max_consumers"),
        Fact(title="When a limit is reached", value=_DISCARD.get(config.get("discard", "old"), "–"), key="discard"),
        Fact(title="Single events that expire", value=_yes(config, "allow_msg_ttl"), key="allow_msg_ttl"),
    )


def _safety(stream: StreamInfo, config: Mapping[str, Any]) -> tuple[Fact, ...]:
    replicas = f"{stream.replicas}" + (f", leader {stream.leader}" if stream.leader else "")
    return (
        Fact(title="Replicas", value=replicas, key="num_replicas"),
        Fact(title="Deleting single events", value="Forbidden" if config.get("deny_delete") else "Allowed", key="deny_delete"),
        Fact(title="Purging", value="Forbidden" if config.get("deny_purge") else "Allowed", key="deny_purge"),
        Fact(title="Sealed", value="Yes: nothing can be added or removed" if stream.is_sealed else "No", key="sealed"),
        Fact(title="Replacing by roll-up", value="Allowed" if config.get("allow_rollup_hdrs") else "Not allowed", key="allow_rollup_hdrs"),
        Fact(title="Repeated ids are refused for", value=_duration(config.get("duplicate_window", 0)), key="duplicate_window"),
    )


def _access(config: Mapping[str, Any]) -> tuple[Fact, ...]:
    return (
        Fact(title="Direct Get", value=_yes(config, "allow_direct"), key="allow_direct"),
        Fact(title="Direct Get by mirrors", value=_yes(config, "mirror_direct"), key="mirror_direct"),
        Fact(title="Atomic batches", value=_yes(config, "allow_atomic"), key="allow_atomic"),
        Fact(title="Acknowledges writers", value="No" if config.get("no_ack") else "Yes", key="no_ack"),
    )


def _limit(config: Mapping[str, Any], key: str, words: Callable[[Any], str]) -> str:
    value = config.get(key, -1)
    return words(value) if value > 0 else "No limit"


def _duration(nanoseconds: float) -> str:
    return span(nanoseconds / 1e9) if nanoseconds else "–"


def _yes(config: Mapping[str, Any], key: str) -> str:
    return "Allowed" if config.get(key) else "Not allowed"


def _may_expire(stream: StreamInfo, is_chained: bool) -> Concern | None:
    limits = [name for name in ("max_age", "max_msgs", "max_bytes", "max_msgs_per_subject") if stream.config.get(name, 0) > 0]
    if not is_chained or not limits or (stream.config.get("discard") == "new" and "max_age" not in limits):
        return None
    return Concern(
        state="bad",
        sentence=f"Events of a chained stream can vanish here ({', '.join(limits)}): a version that is gone could be written again. "
        "Remove the limit, and archive closed ranges instead.",
    )


def _may_be_deleted(stream: StreamInfo, is_chained: bool) -> Concern | None:
    if not is_chained or (stream.config.get("deny_delete") and stream.config.get("deny_purge")):
        return None
    return Concern(
        state="warn",
        sentence="Events of this chained stream can be deleted or purged. Set deny_delete and deny_purge; neither can be undone.",
    )


def _in_memory(stream: StreamInfo, is_chained: bool) -> Concern | None:
    if stream.storage != "memory" or not (is_chained or stream.replicas == 1):
        return None
    return Concern(
        state="bad" if is_chained else "info", sentence="It lies in memory alone: what it holds is gone when the server restarts."
    )


def _no_direct_get(stream: StreamInfo, is_chained: bool) -> Concern | None:
    if stream.allows_direct:
        return None
    return Concern(
        state="warn",
        sentence="Direct Get is off, so pages are read event by event through the leader: slower, and without chain marks. "
        f"Set it on: nats stream edit {shlex.quote(stream.name)} --allow-direct",
    )


def _no_batches(stream: StreamInfo, is_chained: bool) -> Concern | None:
    if not is_chained or stream.config.get("allow_atomic"):
        return None
    return Concern(state="warn", sentence="Atomic batches are off: several events cannot be appended together. Set allow_atomic.")


def _one_replica(stream: StreamInfo, is_chained: bool) -> Concern | None:
    if not is_chained or stream.replicas > 1:
        return None
    return Concern(state="info", sentence="One replica: the loss of its server's disk loses the stream. Three survive the loss of one.")


def _lies_under_something(stream: StreamInfo, is_chained: bool) -> Concern | None:
    if not is_system(stream.name):
        return None
    kind = "bucket" if stream.name.startswith("KV_") else "object store" if stream.name.startswith("OBJ_") else "part of the server"
    return Concern(state="info", sentence=f"This stream lies under a {kind}; change it only through that.")


_CHECKS = (_may_expire, _may_be_deleted, _in_memory, _no_direct_get, _no_batches, _one_replica, _lies_under_something)
