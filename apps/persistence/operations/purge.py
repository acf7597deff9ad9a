"""This module is purging a stream: what lies before a sequence or a time, all but the newest, or only some subjects; counted before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..chain.removal_runs import PURGE, SAW_COUNT, SAW_SPAN, span_words
from ..errors import InvalidInput
from ..registry import Registry
from ..store import Connection, Store, StreamInfo, get_stream
from ..store.positions import sequence_at
from ..subjects import check_pattern
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.parameters import Place
from .blast import blast_radius
from .counting import ALL, Span, measure, nth_newest, places_of
from .protection import Act, check_allowed
from .removing import receipt_of, record
from .stream_choices import every_stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Removes messages of a stream for good: all, those of some subjects, those before a place, or all but the newest."""

    title: ClassVar[str] = "Purge a stream"
    permission: ClassVar[str] = "operations.purge"

    stream: str = field(metadata={"help": "The stream.", "choices": every_stream})
    subject: str = field(default="", metadata={"help": "Only messages whose subject matches, such as orders.4711.>; empty for all."})
    before: Place | None = field(
        default=None, metadata={"help": "Only what lies before this sequence or time; a message at that sequence stays. Empty: to the end."}
    )
    keep: int | None = field(default=None, metadata={"help": "Leave so many of the newest that match. Not together with a place."})

    @property
    def target(self) -> str:
        """One change at a time for each stream."""
        return f"stream/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would go, counted. Raises InvalidInput where it may not be purged or nothing would go, StreamNotFound."""
        info, span = await self._find(store.connection, registry)
        if not span.count:
            raise InvalidInput(f"Nothing of {self.stream} would go: no message {self._which(span)} is there.")
        return Plan(
            summary=f"Purge {span.count:,} message{'' if span.count == 1 else 's'} of {self.stream}",
            saw={SAW_COUNT: span.count, SAW_SPAN: span_words(span.first, span.last), "created": str(info.created)},
            changes=(
                Change(what="Messages", now=f"{info.messages:,}", after=f"{info.messages - span.count:,}"),
                Change(what="First and last that go", now=f"{span.first:,} – {span.last:,}", after="gone"),
            ),
            counts=((f"{self.stream} {self.subject}".strip(), span.count),),
            notes=(
                f"Goes: every message {self._which(span)}. What is stored from now on stays.",
                *await blast_radius(store.connection, registry, info),
            ),
            undo="It cannot be undone; only a backup taken before brings the messages back.",
            confirm_with=self.stream,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Record what goes, then purge exactly that. An interrupted purge is finished by its own record."""
        info, span = await self._find(store.connection, registry)
        removal = await record(
            store,
            registry,
            info,
            progress,
            operation=PURGE,
            pattern=span.pattern,
            find=lambda: places_of(store.connection, info, span),
        )
        if removal is None:
            return Outcome(sentence=f"Nothing of {self.stream} went: no message {self._which(span)} was there.", figures={"events": 0})
        before = removal.ranges[-1].last + 1
        body = {"seq": before} | ({"filter": removal.pattern} if removal.pattern != ALL else {})
        await store.connection.api(f"STREAM.PURGE.{self.stream}", body, stream=self.stream, timeout=60)
        await progress.report(removal.count, removal.count, sequence=removal.ranges[-1].last, force=True)
        return Outcome(
            sentence=f"Purged {removal.count:,} message{'' if removal.count == 1 else 's'} of {self.stream}, before sequence {before:,}.",
            figures=receipt_of(removal),
        )

    async def _find(self, connection: Connection, registry: Registry) -> tuple[StreamInfo, Span]:
        if self.before is not None and self.keep is not None:
            raise InvalidInput("keep and before cannot be given together; the one counts from the end, the other is a place.")
        info = await get_stream(connection, self.stream)
        check_allowed(registry, Act.PURGE, self.stream, info)
        pattern = check_pattern(self.subject) if self.subject else ALL
        before = info.last_sequence + 1
        if self.before is not None:
            before = await sequence_at(connection, self.stream, self.before)
        elif self.keep is not None:
            before = await nth_newest(connection, info, pattern, self.keep)
        return info, await measure(connection, info, pattern=pattern, before=before)

    def _which(self, span: Span) -> str:
        subjects = f" under {self.subject}" if self.subject else ""
        if self.keep is not None:
            return f"before the newest {self.keep:,}{subjects}" if self.keep else f"up to now{subjects}"
        return f"before sequence {span.before:,}{subjects}"
