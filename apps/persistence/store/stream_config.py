"""This module is a stream of events as it is declared, and where the one on the server differs from that: field, declared, actual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from ..errors import InvalidInput
from ..subjects import check_pattern
from .layout import Layout
from .names import check_stream_name
from .streams import StreamInfo

_MOST_REPLICAS = 5
_UNLIMITED = -1


class RetentionPolicy(StrEnum):
    """When a message goes; the values are JetStream's."""

    LIMITS = "limits"  # when a limit of age, number or size is reached
    INTEREST = "interest"  # when every consumer has it
    WORK_QUEUE = "workqueue"  # when one consumer has it


class StorageType(StrEnum):
    """Where messages lie; the values are JetStream's."""

    FILE = "file"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStreamConfig:
    """A declared stream. What is None is not declared: it is left to the server, and no difference there is one.

    `of` gives what a stream of events needs. A stream with `max_age` forgets: a version of an aggregate whose events are all gone could be
    written again. Raises InvalidInput, InvalidSubject.
    """

    name: str
    subjects: tuple[str, ...]
    retention: RetentionPolicy = RetentionPolicy.LIMITS
    storage: StorageType = StorageType.FILE
    max_age: timedelta | None = None
    max_messages: int | None = None
    max_bytes: int | None = None
    replicas: int | None = None
    duplicate_window: timedelta = timedelta(minutes=2)
    allow_direct: bool = True
    allow_atomic: bool = True
    deny_delete: bool = True
    deny_purge: bool = True

    def __post_init__(self) -> None:
        check_stream_name(self.name)
        for subject in self.subjects:
            check_pattern(subject)
        if not self.subjects:
            raise InvalidInput(f"The stream {self.name} is declared without subjects; name at least one.")
        if self.max_age is not None and self.max_age < timedelta(milliseconds=100):
            raise InvalidInput(f"Messages of {self.name} cannot go after {self.max_age}; 100 ms is the least, and None keeps them.")
        for what, number in (("messages", self.max_messages), ("bytes", self.max_bytes)):
            if number is not None and number < 1:
                raise InvalidInput(f"{self.name} cannot be limited to {number:,} {what}; 1 is the least, and None sets no limit.")
        if self.replicas is not None and not 1 <= self.replicas <= _MOST_REPLICAS:
            raise InvalidInput(f"{self.name} cannot have {self.replicas} replicas; 1 to {_MOST_REPLICAS} can be.")

    @classmethod
    def of(cls, layout: Layout, *, retention_days: int | None = None, replicas: int | None = None) -> EventStreamConfig:
        """The stream of a layout as appending needs it: on file, nothing deletable, no limits unless `retention_days` sets one."""
        if retention_days is not None and retention_days < 1:
            raise InvalidInput(f"Events cannot be kept for {retention_days} days; 1 is the least, and None keeps them for ever.")
        max_age = timedelta(days=retention_days) if retention_days is not None else None
        return cls(name=layout.stream, subjects=(layout.subjects,), max_age=max_age, replicas=replicas)

    def to_config(self) -> dict[str, Any]:
        """What STREAM.CREATE takes."""
        return {
            "name": self.name,
            "subjects": list(self.subjects),
            "retention": self.retention.value,
            "storage": self.storage.value,
            "discard": "old",
            "num_replicas": self.replicas or 1,
            "max_age": _nanoseconds(self.max_age) if self.max_age else 0,
            "max_msgs": self.max_messages or _UNLIMITED,
            "max_bytes": self.max_bytes or _UNLIMITED,
            "duplicate_window": _nanoseconds(self._window),
            "allow_direct": self.allow_direct,
            "allow_atomic": self.allow_atomic,
            "deny_delete": self.deny_delete,
            "deny_purge": self.deny_purge,
        }

    @property
    def _window(self) -> timedelta:
        """A server takes no window longer than messages are kept."""
        return min(self.duplicate_window, self.max_age) if self.max_age else self.duplicate_window


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One setting in which a stream differs from what is declared, in the server's words."""

    field: str
    declared: str
    actual: str


def drift_of(declared: EventStreamConfig, actual: StreamInfo) -> tuple[Drift, ...]:
    """Every setting in which the stream on the server differs; none where it is as declared."""
    wanted, there = declared.to_config(), {**_DEFAULTS, **actual.config}
    if declared.replicas is None:
        del wanted["num_replicas"]
    if not actual.config.get("duplicate_window"):
        del wanted["duplicate_window"]  # an older server does not say it
    return tuple(
        Drift(field=field, declared=_words(field, value), actual=_words(field, there.get(field)))
        for field, value in wanted.items()
        if _comparable(value) != _comparable(there.get(field))
    )


_DEFAULTS: Mapping[str, Any] = {
    "max_age": 0,
    "max_msgs": _UNLIMITED,
    "max_bytes": _UNLIMITED,
    "allow_direct": False,
    "allow_atomic": False,
    "deny_delete": False,
    "deny_purge": False,
    "num_replicas": 1,
    "subjects": [],
}
"""What a server leaves out of its answer."""


def _comparable(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _words(field: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field in ("max_age", "duplicate_window") and isinstance(value, int):
        return str(timedelta(microseconds=value // 1000)) if value else "unlimited"
    return "unlimited" if value == _UNLIMITED else str(value)


def _nanoseconds(span: timedelta) -> int:
    return (span // timedelta(microseconds=1)) * 1000
