"""This module is creating a stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ..errors import InvalidInput, StreamNotFound
from ..registry import Registry
from ..store import Connection, Store, check_stream_name, get_stream, list_streams, to_stream_info
from ..subjects import check_pattern, overlaps
from ..work.operation import Outcome, Plan, Progress
from .protection import Act, check_allowed
from .stream_settings import differences, limits_in

RESERVED = ("KV_", "OBJ_", "$")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateStream:
    """Makes a stream that stores what is published under its subjects."""

    title: ClassVar[str] = "Create a stream"
    permission: ClassVar[str] = "operations.create_stream"

    name: str = field(metadata={"help": "Its name, such as ORDERS: no white space, none of . * > / \\."})
    subjects: tuple[str, ...] = field(metadata={"help": "The subjects it stores, one a line, such as orders.>"})
    description: str = field(default="", metadata={"help": "What it is for."})
    storage: Literal["file", "memory"] = field(default="file", metadata={"help": "Memory is gone when the server restarts."})
    retention: Literal["limits", "workqueue", "interest"] = field(
        default="limits",
        metadata={"help": "limits keeps messages until a limit; the others until they are acknowledged. It cannot be changed later."},
    )
    replicas: int = field(default=1, metadata={"help": "On how many servers of a cluster it lies.", "least": 1, "most": 5})
    max_age: str = field(default="", metadata={"help": "Messages expire after this time, such as 30 d. Empty: never."})
    max_messages: str = field(default="", metadata={"help": "At most so many messages. Empty: no limit."})
    max_bytes: str = field(default="", metadata={"help": "At most so much, such as 10 GB. Empty: no limit."})
    max_per_subject: str = field(default="", metadata={"help": "At most so many messages of one subject. Empty: no limit."})
    discard: Literal["old", "new"] = field(default="old", metadata={"help": "What gives way at a limit: the oldest messages, or new ones."})
    keeps_everything: bool = field(default=False, metadata={"help": "Forbid deleting and purging, for good. Wanted for events."})
    allow_direct: bool = field(default=True, metadata={"help": "Direct Get: pages read it without burdening its leader."})
    allow_atomic: bool = field(default=True, metadata={"help": "Atomic batches: several events are stored together or not at all."})
    duplicate_window: str = field(default="2 min", metadata={"help": "So long a repeated Nats-Msg-Id is refused."})

    @property
    def target(self) -> str:
        """One change at a time for each stream."""
        return f"stream/{self.name}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What it would be. Raises InvalidInput for a name or subjects that are taken or cannot be."""
        check_allowed(registry, Act.CREATE, self.name)
        config = self._config()
        await self._check_free(store.connection)
        return Plan(
            summary=f"Create the stream {self.name}",
            saw={"exists": False},
            changes=differences({}, config),
            notes=(
                "From then on it stores whatever is published under its subjects.",
                *(("Deleting and purging stay forbidden for good.",) if self.keeps_everything else ()),
            ),
            undo="It cannot be deleted from here, as it keeps everything." if self.keeps_everything else "Delete it.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Create it; the very same one that an interrupted attempt made is taken as done."""
        check_allowed(registry, Act.CREATE, self.name)
        answer = await store.connection.api(f"STREAM.CREATE.{self.name}", self._config(), stream=self.name)
        info = to_stream_info(answer)
        return Outcome(sentence=f"{info.name} stores {' '.join(info.subjects)}.", figures={"created": str(info.created)})

    def _config(self) -> dict[str, Any]:
        check_name(self.name, "name")
        limits = {name: getattr(self, name) for name in ("max_age", "max_messages", "max_bytes", "max_per_subject", "duplicate_window")}
        return {
            "name": self.name,
            "subjects": check_subjects(self.subjects),
            **({"description": self.description} if self.description else {}),
            "storage": self.storage,
            "retention": self.retention,
            "num_replicas": self.replicas,
            "discard": self.discard,
            "deny_delete": self.keeps_everything,
            "deny_purge": self.keeps_everything,
            "allow_direct": self.allow_direct,
            "allow_atomic": self.allow_atomic,
            **limits_in(limits),
        }

    async def _check_free(self, connection: Connection) -> None:
        try:
            await get_stream(connection, self.name)
        except StreamNotFound:
            await check_subjects_free(connection, self.subjects, but=self.name)
        else:
            raise InvalidInput(f"name is {self.name[:80]!r}, and there is a stream of that name; change that one, or choose another name.")


def check_name(name: str, parameter: str) -> None:
    """Raises InvalidInput for a name that no plain stream can have."""
    check_stream_name(name, what=parameter)
    if name.startswith(RESERVED):
        raise InvalidInput(
            f"{parameter} is {name[:80]!r}; KV_, OBJ_ and $ begin the names of buckets and of the server's own. Create a bucket instead."
        )


def check_subjects(subjects: tuple[str, ...]) -> list[str]:
    """The patterns a stream may store. Raises InvalidInput for the server's own and for two that meet."""
    for number, subject in enumerate(subjects):
        check_pattern(subject)
        if subject.startswith("$") or overlaps(subject, "$JS.>"):
            raise InvalidInput(
                f"subjects holds {subject[:80]}; what begins with $ is the server's own. Write subjects of your own, such as orders.>"
            )
        met = next((other for other in subjects[:number] if overlaps(subject, other)), None)
        if met is not None:
            raise InvalidInput(f"subjects holds {met[:80]} and {subject[:80]}, which overlap; leave one of them out.")
    return list(subjects)


async def check_subjects_free(connection: Connection, subjects: tuple[str, ...], *, but: str) -> None:
    """Raises InvalidInput where another stream than `but` stores some of these subjects; the server allows each subject once."""
    for stream in await list_streams(connection):
        for taken in stream.subjects if stream.name != but else ():
            for subject in subjects:
                if overlaps(taken, subject):
                    raise InvalidInput(
                        f"subjects holds {subject[:80]}, which overlaps {taken[:80]} of {stream.name}; a subject belongs to one stream."
                    )
