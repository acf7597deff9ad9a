"""This module is pausing a consumer until a time and letting it go on; nothing it waits for is lost meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from ..errors import InvalidInput
from ..events import now
from ..registry import Registry
from ..store import Connection, ConsumerInfo, Store, pause_consumer
from ..store.consumers import PAUSE_SINCE
from ..store.positions import LAST_MOMENT, parse_position
from ..work.operation import Change, Outcome, Plan, Progress
from .consumer_rights import find_changeable
from .stream_choices import every_stream
from .stream_settings import age_words, parse_age

_DELIVERING = "delivering"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseConsumer:
    """Has a consumer deliver nothing until a time; then the server lets it go on by itself."""

    title: ClassVar[str] = "Pause a consumer"
    permission: ClassVar[str] = "operations.pause_consumer"

    stream: str = field(metadata={"help": "The stream that it reads.", "choices": every_stream})
    consumer: str = field(metadata={"help": "The consumer's name."})
    until: str = field(default="1 h", metadata={"help": "For how long, such as 30 min or 2 d, or a time such as 2026-11-21T18:00 (UTC)."})

    @property
    def target(self) -> str:
        """One change at a time for each consumer."""
        return f"consumer/{self.stream}/{self.consumer}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """Until when. Raises InvalidInput where it may not be, for a time that is past, and on a server that cannot; StreamNotFound."""
        _, consumer = await find_changeable(store.connection, registry, self.stream, self.consumer)
        check_can_pause(store.connection)
        until = self._moment()
        return Plan(
            summary=f"Pause {self.consumer} of {self.stream}",
            saw={"created": str(consumer.created), "paused": consumer.is_paused},
            changes=(Change(what="State", now=state_words(consumer), after=f"paused until {_clock(until)}"),),
            notes=(
                f"{consumer.pending:,} events wait for it now; they and what is stored meanwhile stay there and are delivered afterwards.",
                *_given_out(consumer),
                *_inactive(consumer, until),
            ),
            undo="Resume it; it goes on where it was.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Pause it; an attempt after one that was killed pauses it until the same time."""
        await find_changeable(store.connection, registry, self.stream, self.consumer)
        given = progress.checkpoint or {"until": self._moment().isoformat()}
        await progress.report(0, 1, checkpoint=given, force=True)
        until = datetime.fromisoformat(str(given["until"]))
        await pause_consumer(store.connection, self.stream, self.consumer, until)
        return Outcome(sentence=f"{self.consumer} of {self.stream} is given nothing until {_clock(until)}.")

    def _moment(self) -> datetime:
        text = self.until.strip()
        try:
            until = now() + timedelta(microseconds=parse_age("until", text) / 1000)
        except (InvalidInput, OverflowError):
            place = parse_position(text, now()) if not text.endswith("ago") else None
            if not isinstance(place, datetime):
                raise InvalidInput(
                    f"until is {text[:40]!r}; write for how long, such as 30 min, or a time such as 2026-11-21T18:00 (UTC)."
                ) from None
            until = place
        if until <= now():
            raise InvalidInput(f"until is {text[:40]!r}, which is past; write a time to come, or for how long, such as 30 min.")
        return min(until, LAST_MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeConsumer:
    """Lets a paused consumer go on now."""

    title: ClassVar[str] = "Resume a consumer"
    permission: ClassVar[str] = "operations.resume_consumer"

    stream: str = field(metadata={"help": "The stream that it reads.", "choices": every_stream})
    consumer: str = field(metadata={"help": "The consumer's name."})

    @property
    def target(self) -> str:
        """One change at a time for each consumer."""
        return f"consumer/{self.stream}/{self.consumer}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What it goes on with. Raises InvalidInput where it is not paused or may not be changed, StreamNotFound."""
        _, consumer = await find_changeable(store.connection, registry, self.stream, self.consumer)
        check_can_pause(store.connection)
        if not consumer.is_paused:
            raise InvalidInput(f"{self.consumer} of {self.stream} is not paused; there is nothing to resume.")
        return Plan(
            summary=f"Resume {self.consumer} of {self.stream}",
            saw={"created": str(consumer.created)},
            changes=(Change(what="State", now=state_words(consumer), after=_DELIVERING),),
            notes=(f"{consumer.pending:,} events wait for it; they are delivered as fast as it takes them.",),
            undo="Pause it again.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Let it go on; going on already is the same end."""
        await find_changeable(store.connection, registry, self.stream, self.consumer)
        await pause_consumer(store.connection, self.stream, self.consumer, None)
        return Outcome(sentence=f"{self.consumer} of {self.stream} goes on.")


def check_can_pause(connection: Connection) -> None:
    """Raises InvalidInput on a server that knows no pausing."""
    if not connection.server.at_least(*PAUSE_SINCE):
        raise InvalidInput(
            f"nats-server {connection.server.version} cannot pause a consumer; that needs {PAUSE_SINCE[0]}.{PAUSE_SINCE[1]}. Stop whoever "
            "reads it instead."
        )


def state_words(consumer: ConsumerInfo) -> str:
    """Whether it is paused, and until when."""
    if not consumer.is_paused:
        return _DELIVERING
    return f"paused until {_clock(consumer.pause_until)}" if consumer.pause_until else "paused"


def _given_out(consumer: ConsumerInfo) -> tuple[str, ...]:
    if not consumer.ack_pending:
        return ()
    return (f"{consumer.ack_pending:,} were given out and are not acknowledged: they can be still, or are given out again later.",)


def _inactive(consumer: ConsumerInfo, until: datetime) -> tuple[str, ...]:
    threshold = int(consumer.config.get("inactive_threshold", 0))
    if not threshold or (until - now()).total_seconds() * 1e9 < threshold:
        return ()
    return (f"The server deletes it when nobody has asked for {age_words(threshold)}; a pause does not stop that.",)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
