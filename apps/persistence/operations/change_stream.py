"""This module is changing the configuration of a stream: what would change as a person reads it, and what would go at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from ..errors import InvalidInput
from ..events import now
from ..registry import Registry
from ..store import Connection, Store, StreamInfo, at_time, get_stream, subjects_matching
from ..work.operation import Outcome, Plan, Progress
from .blast import blast_radius
from .counting import ALL, measure
from .create_stream import check_subjects, check_subjects_free
from .protection import Act, check_allowed, is_chained
from .stream_choices import every_stream
from .stream_settings import LIMITS, differences, limits_in

Switch = Literal["unchanged", "yes", "no"]
MAX_SUBJECTS_COUNTED = 100_000
EXPIRING = ("max_age", "max_msgs", "max_bytes", "max_msgs_per_subject")
_UNCHANGED = " Empty: unchanged; none: no limit."


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStream:
    """Changes settings of a stream; what is left empty stays as it is."""

    title: ClassVar[str] = "Change a stream"
    permission: ClassVar[str] = "operations.change_stream"

    stream: str = field(metadata={"help": "The stream.", "choices": every_stream})
    subjects: tuple[str, ...] = field(default=(), metadata={"help": "All subjects it is to store, one a line. Empty: unchanged."})
    description: str = field(default="", metadata={"help": "What it is for. Empty: unchanged."})
    replicas: int | None = field(default=None, metadata={"help": "On how many servers it lies. Empty: unchanged.", "least": 1, "most": 5})
    max_age: str = field(default="", metadata={"help": f"Messages expire after this time, such as 30 d.{_UNCHANGED}"})
    max_messages: str = field(default="", metadata={"help": f"At most so many messages.{_UNCHANGED}"})
    max_bytes: str = field(default="", metadata={"help": f"At most so much, such as 10 GB.{_UNCHANGED}"})
    max_per_subject: str = field(default="", metadata={"help": f"At most so many messages of one subject.{_UNCHANGED}"})
    max_message_size: str = field(default="", metadata={"help": f"The largest message, such as 1 MB.{_UNCHANGED}"})
    duplicate_window: str = field(default="", metadata={"help": "So long a repeated Nats-Msg-Id is refused. Empty: unchanged."})
    discard: Literal["unchanged", "old", "new"] = field(default="unchanged", metadata={"help": "What gives way at a limit."})
    compression: Literal["unchanged", "none", "s2"] = field(
        default="unchanged", metadata={"help": "Of what is written to disk from then on."}
    )
    allow_direct: Switch = field(default="unchanged", metadata={"help": "Direct Get."})
    allow_atomic: Switch = field(default="unchanged", metadata={"help": "Atomic batches."})
    forbid_deleting: bool = field(default=False, metadata={"help": "Forbid deleting single messages, for good."})
    forbid_purging: bool = field(default=False, metadata={"help": "Forbid purging, for good."})

    @property
    def target(self) -> str:
        """One change at a time for each stream."""
        return f"stream/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """The difference, and what would go. Raises InvalidInput where nothing would change or it may not, StreamNotFound."""
        connection = store.connection
        info = await get_stream(connection, self.stream)
        wanted = self._wanted(registry, info)
        changes = differences(info.config, wanted)
        if not changes:
            raise InvalidInput(f"Nothing of {self.stream} would change: it has these settings already.")
        if "subjects" in wanted:
            await check_subjects_free(connection, self.subjects, but=self.stream)
        goes = await what_goes(connection, info, wanted)
        return Plan(
            summary=f"Change {len(changes)} setting{'' if len(changes) == 1 else 's'} of {self.stream}",
            saw={**{change.what: change.now for change in changes}, "created": str(info.created)},
            changes=changes,
            counts=tuple(goes.items()),
            notes=(
                *_warnings(info, wanted, goes),
                "The server lets nobody change storage, retention or name, nor take back what forbids deleting or purging.",
                *(await blast_radius(connection, registry, info) if goes else ()),
            ),
            undo="What goes is gone; the settings themselves can be changed back, except what is forbidden for good."
            if goes or self.forbid_deleting or self.forbid_purging
            else "Change it back.",
            confirm_with=self.stream if goes or self.forbid_deleting or self.forbid_purging else "",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Change these settings and no others. Raises ServerRefused with the server's own words and code."""
        info = await get_stream(store.connection, self.stream)
        wanted = self._wanted(registry, info)
        changes = differences(info.config, wanted)
        await store.connection.api(f"STREAM.UPDATE.{self.stream}", {**info.config, **wanted}, stream=self.stream)
        said = "; ".join(f"{change.what}: {change.after}, before {change.now}" for change in changes)
        return Outcome(sentence=f"{self.stream} is changed. {said}.", figures={"settings": len(changes), "config": wanted})

    def _wanted(self, registry: Registry, info: StreamInfo) -> dict[str, Any]:
        check_allowed(registry, Act.CHANGE, self.stream, info)
        wanted: dict[str, Any] = limits_in({name: getattr(self, name) for name in LIMITS})
        expiring = [key for key in EXPIRING if wanted.get(key, 0) > 0]
        if expiring and is_chained(registry, self.stream):
            raise InvalidInput(
                f"{self.stream} holds chains, and {expiring[0]} would let events vanish: a version that is gone could be written again."
            )
        if self.subjects:
            wanted["subjects"] = check_subjects(self.subjects)
        plain = {"description": self.description, "num_replicas": self.replicas}
        wanted |= {key: value for key, value in plain.items() if value}
        wanted |= {key: getattr(self, key) for key in ("discard", "compression") if getattr(self, key) != "unchanged"}
        wanted |= {key: getattr(self, key) == "yes" for key in ("allow_direct", "allow_atomic") if getattr(self, key) != "unchanged"}
        denials = {"deny_delete": self.forbid_deleting, "deny_purge": self.forbid_purging}
        return wanted | {key: True for key, is_asked in denials.items() if is_asked}


async def what_goes(connection: Connection, info: StreamInfo, wanted: Mapping[str, Any]) -> dict[str, int]:
    """How many messages would go at once by each limit; those that would go by several are counted under each."""
    goes: dict[str, int] = {}
    if wanted.get("max_msgs", -1) > 0:
        goes["over the number of messages"] = max(0, info.messages - wanted["max_msgs"])
    if wanted.get("max_age", 0) > 0 and info.messages:
        first = await at_time(connection, info.name, now() - timedelta(microseconds=wanted["max_age"] / 1000))
        before = first.sequence if first else info.last_sequence + 1
        goes["older than the greatest age"] = (await measure(connection, info, pattern=ALL, before=before)).count
    if wanted.get("max_msgs_per_subject", -1) > 0 and info.subject_count <= MAX_SUBJECTS_COUNTED:
        counts = await subjects_matching(connection, info.name, ALL)
        goes["over the number of one subject"] = sum(max(0, count - wanted["max_msgs_per_subject"]) for count in counts.values())
    if 0 < wanted.get("max_bytes", -1) < info.bytes:
        goes["over the bytes, by their mean size"] = round(info.messages * (1 - wanted["max_bytes"] / info.bytes)) or 1
    return {name: count for name, count in goes.items() if count}


def _warnings(info: StreamInfo, wanted: Mapping[str, Any], goes: Mapping[str, int]) -> list[str]:
    notes = [f"{count:,} messages {name} go at once." for name, count in goes.items()]
    left_out = [subject for subject in info.subjects if subject not in wanted.get("subjects", info.subjects)]
    if left_out:
        notes.append(f"What is published under {', '.join(left_out)} is no longer stored; what lies there stays.")
    if wanted.get("num_replicas", 0) > info.replicas:
        notes.append("More replicas need a cluster of as many servers; the server refuses otherwise.")
    return notes
