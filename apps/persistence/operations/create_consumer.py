"""This module is creating a consumer: a durable place in a stream, from which programs ask for events and acknowledge them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, ClassVar, Literal

from ..errors import InvalidInput
from ..events import now
from ..registry import Registry
from ..store import Connection, ConsumerInfo, Store, StreamInfo, check_consumer_name, create_consumer, list_consumers
from ..store.positions import parse_position, sequence_at
from ..subjects import check_pattern, overlaps
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.parameters import Place
from .consumer_move import count_left
from .consumer_rights import find_allowed
from .stream_choices import every_stream
from .stream_settings import NO_LIMIT, age_words, parse_age

_DELIVER = {
    "all": "everything that is stored",
    "new": "what is stored from now on",
    "last": "the newest message, and what comes",
    "last_per_subject": "the newest of each subject, and what comes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateConsumer:
    """Creates a durable pull consumer on a stream; programs ask it for events, and it remembers how far they came."""

    title: ClassVar[str] = "Create a consumer"
    permission: ClassVar[str] = "operations.create_consumer"

    stream: str = field(metadata={"help": "The stream that it reads.", "choices": every_stream})
    name: str = field(metadata={"help": "Its name: no white space and none of . * > / \\. It cannot be changed later."})
    filter_subjects: tuple[str, ...] = field(default=(), metadata={"help": "Only these subjects, one a line. Empty: everything."})
    deliver: Literal["all", "new", "last", "last_per_subject"] = field(
        default="all", metadata={"help": "Where it begins, if no start is given."}
    )
    start: Place | None = field(default=None, metadata={"help": "Begin at this sequence or time instead. Only with deliver all."})
    ack_policy: Literal["explicit", "all", "none"] = field(
        default="explicit", metadata={"help": "Each event is acknowledged; or one with all before it; or none at all."}
    )
    ack_wait: str = field(default="30 s", metadata={"help": "What is not acknowledged within this time is given out again."})
    max_deliver: int | None = field(default=None, metadata={"help": "Give an event out at most so often. Empty: no limit.", "least": 1})
    max_ack_pending: int = field(default=1000, metadata={"help": "So many may be out and not acknowledged.", "least": 1, "most": 1_000_000})
    inactive_threshold: str = field(default="", metadata={"help": "Delete it when nobody asked for this long, such as 7 d. Empty: never."})
    description: str = field(default="", metadata={"help": "What it is for."})

    @property
    def target(self) -> str:
        """One change at a time for each consumer."""
        return f"consumer/{self.stream}/{self.name}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What it would be. Raises InvalidInput for a name that is taken and for settings that cannot be, StreamNotFound."""
        check_consumer_name(self.name, what="name")
        info, found = await find_allowed(store.connection, registry, self.stream, self.name)
        if found is not None:
            raise InvalidInput(f"name is {self.name[:80]!r}, and {self.stream} has a consumer of that name; choose another name.")
        config = self._config()
        self._check_filters(info)
        if info.retention == "workqueue":
            self._check_queue(info, await list_consumers(store.connection, self.stream) if info.consumers else [])
        return Plan(
            summary=f"Create the consumer {self.name} on {self.stream}",
            saw={"exists": False},
            changes=(
                Change(what="Reads", now="–", after=" ".join(self.filter_subjects) or "everything"),
                Change(what="Begins with", now="–", after=self._begins()),
                Change(what="Events to process", now="–", after=await self._left(store.connection, info)),
                Change(what="Acknowledgements", now="–", after=self._acknowledged(config)),
                Change(what="Deleted when unused for", now="–", after=age_words(config.get("inactive_threshold", 0))),
            ),
            notes=_kept_for(info),
            undo="Delete it.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Create it; the very same one that an interrupted attempt made is taken as done."""
        await find_allowed(store.connection, registry, self.stream, self.name)
        given = progress.checkpoint or {"start": self._start_at()}
        await progress.report(0, 1, checkpoint=given, force=True)
        made = await create_consumer(store.connection, self.stream, {**self._config(), **_starting(given["start"])})
        return Outcome(
            sentence=f"{made.name} reads {' '.join(made.filter_subjects) or 'everything'} of {self.stream}: {made.pending:,} events wait.",
            figures={"created": str(made.created), "to_process": made.pending},
        )

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "durable_name": self.name,
            "name": self.name,
            "deliver_policy": self.deliver,
            "ack_policy": self.ack_policy,
            "filter_subjects": [check_pattern(subject) for subject in self.filter_subjects],
        }
        if self.start is not None and self.deliver != "all":
            raise InvalidInput(f"start and deliver {self.deliver} exclude each other; leave deliver at all to begin at a place.")
        if self.deliver == "last_per_subject" and not self.filter_subjects:
            raise InvalidInput("deliver is last_per_subject, which needs filter_subjects; write > for every subject.")
        if self.ack_policy != "none":
            config |= {"ack_wait": _positive("ack_wait", self.ack_wait), "max_ack_pending": self.max_ack_pending}
            config |= {"max_deliver": self.max_deliver or -1}
        elif self.max_deliver is not None:
            raise InvalidInput("max_deliver needs acknowledgements; with ack_policy none every event is given out once.")
        if self.inactive_threshold.strip().lower() not in ("", *NO_LIMIT):
            config["inactive_threshold"] = _positive("inactive_threshold", self.inactive_threshold)
        return config | ({"description": self.description} if self.description else {})

    def _check_filters(self, info: StreamInfo) -> None:
        for number, subject in enumerate(self.filter_subjects):
            for other in self.filter_subjects[number + 1 :]:
                if overlaps(subject, other):
                    raise InvalidInput(f"filter_subjects holds {subject[:80]} and {other[:80]}, which overlap; keep the wider one.")
            if info.subjects and not any(overlaps(subject, stored) for stored in info.subjects):
                raise InvalidInput(f"filter_subjects holds {subject[:80]}, and {info.name} stores only {' '.join(info.subjects)}.")

    def _check_queue(self, info: StreamInfo, others: list[ConsumerInfo]) -> None:
        if self.ack_policy != "explicit" or self.deliver != "all" or self.start is not None:
            raise InvalidInput(f"{info.name} is a work queue: its consumers acknowledge each message (explicit) and begin with all.")
        for other in others:
            theirs = other.filter_subjects or (">",)
            if any(overlaps(mine, their) for mine in self.filter_subjects or (">",) for their in theirs):
                raise InvalidInput(
                    f"{info.name} is a work queue, where each message goes to one consumer, and {other.name} reads "
                    f"{' '.join(theirs)} already."
                )

    def _start_at(self) -> int | str:
        """The sequence, the time as the server takes it, or nothing."""
        if self.start is None:
            return ""
        place = parse_position(self.start, now())
        return place if isinstance(place, int) else f"{place.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

    def _begins(self) -> str:
        if self.start is None:
            return _DELIVER[self.deliver]
        place = parse_position(self.start, now())
        return f"sequence {place:,}" if isinstance(place, int) else f"what was stored from {place:%Y-%m-%d %H:%M:%S} UTC on"

    async def _left(self, connection: Connection, info: StreamInfo) -> str:
        if self.deliver != "all":
            return "0" if self.deliver == "new" else "at most one of each subject"
        first = 1 if self.start is None else await sequence_at(connection, self.stream, self.start)
        if first > info.last_sequence + 1:
            raise InvalidInput(
                f"start is sequence {first:,}, and {self.stream} ends at {info.last_sequence:,}; choose deliver new instead."
            )
        left = await count_left(connection, info, self.filter_subjects, first)
        return "not known" if left is None else f"{left:,}"

    def _acknowledged(self, config: dict[str, Any]) -> str:
        if self.ack_policy == "none":
            return "none: an event that got lost on the way is not given out again"
        often = f"at most {self.max_deliver:,} times" if self.max_deliver else "as often as needed"
        each = "each event" if self.ack_policy == "explicit" else "one with all before it"
        return f"{each}, within {age_words(config['ack_wait'])}, else given out again, {often}; at most {self.max_ack_pending:,} at once"


def _starting(start: Any) -> dict[str, Any]:
    if isinstance(start, int):
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, start)}
    return {"deliver_policy": "by_start_time", "opt_start_time": start} if start else {}


def _positive(name: str, text: str) -> int:
    nanoseconds = parse_age(name, text)
    if not 0 < nanoseconds < 2**63:
        raise InvalidInput(f"{name} is {text[:40]!r}; write a time longer than nothing, such as 30 s.")
    return nanoseconds


def _kept_for(info: StreamInfo) -> tuple[str, ...]:
    if info.retention == "workqueue":
        return (f"{info.name} is a work queue: what is acknowledged to this consumer is removed from the stream.",)
    if info.retention == "interest":
        return (f"{info.name} keeps each message until every consumer has acknowledged it: one that nobody reads makes it grow.",)
    return ()
