"""This module is which streams and buckets operators may change: only where settings allow it, and never those that are protected."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase

from ..errors import InvalidInput
from ..registry import Registry
from ..store import StreamInfo

OWN_PREFIXES = ("CIM-", "KV_cim-", "OBJ_cim-")
HOW_TO_ALLOW = (
    "CIM_STREAM_CHANGES is off: set it to 1 for the web process and the workers to let operators change streams, buckets and consumers."
)


class Act(StrEnum):
    """What can be done to a stream or a bucket."""

    CREATE = "create"
    CHANGE = "change"
    PURGE = "purge"
    DELETE_MESSAGE = "delete a message of"
    SEAL = "seal"
    DELETE = "delete"


def why_not(registry: Registry, act: Act, name: str, info: StreamInfo | None = None) -> str:
    """Why `act` cannot be done to the stream `name`, as a sentence that names the setting; empty where it can."""
    if not registry.stream_changes.are_allowed:
        return HOW_TO_ALLOW
    if name.startswith(OWN_PREFIXES):
        return f"{name} is the console's own, and no operation changes it."
    if named := why_protected(registry, name):
        return named
    return _why_not_by_configuration(act, info, is_chained=is_chained(registry, name)) if info else ""


def why_protected(registry: Registry, name: str) -> str:
    """Which pattern of the setting protects the stream `name`, as a sentence; empty where none does."""
    named = [pattern for pattern in registry.stream_changes.protected if fnmatchcase(name, pattern)]
    return f"{name} is protected: CIM_PROTECTED_STREAMS names {named[0]}." if named else ""


def check_allowed(registry: Registry, act: Act, name: str, info: StreamInfo | None = None) -> None:
    """Raises InvalidInput where `act` cannot be done to the stream `name`."""
    if reason := why_not(registry, act, name, info):
        raise InvalidInput(reason)


def is_chained(registry: Registry, name: str) -> bool:
    """Whether a layout says that the stream holds chains."""
    return any(layout.stream == name and layout.is_chained for layout in registry.layouts)


def _why_not_by_configuration(act: Act, info: StreamInfo, *, is_chained: bool) -> str:
    """What the stream itself forbids. A sealed stream forbids everything but its own deletion."""
    config, name = info.config, info.name
    if info.is_sealed and act is not Act.DELETE:
        return f"{name} is sealed: nothing can be added, removed or changed any more."
    if act is Act.PURGE and config.get("deny_purge"):
        return f"{name} forbids it: deny_purge is set in its configuration and cannot be taken back."
    if act is Act.DELETE_MESSAGE and config.get("deny_delete"):
        return f"{name} forbids it: deny_delete is set in its configuration and cannot be taken back."
    keeps = bool(config.get("deny_delete") or config.get("deny_purge")) and not (info.is_sealed and not is_chained)
    if act is Act.DELETE and keeps and not name.startswith(("KV_", "OBJ_")):
        return (
            f"{name} forbids it: its configuration keeps every message (deny_delete or deny_purge), so it is not deleted as a whole either."
        )
    return ""
