"""This module is the end of a stream or a bucket: sealed, so that nothing changes any more, or deleted with all that it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..chain.gaps import Range
from ..chain.removal_runs import DELETE_STREAM
from ..encoding import Value
from ..errors import StreamNotFound
from ..registry import Registry
from ..store import Store, get_stream
from ..work.operation import Change, Outcome, Plan, Progress
from .blast import blast_radius
from .counting import ALL, measure, places_of
from .protection import Act, check_allowed
from .removing import receipt_of, record
from .stream_choices import every_stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Closes a stream for good: nothing can be added, removed or changed any more, and it can still be read."""

    title: ClassVar[str] = "Seal a stream"
    permission: ClassVar[str] = "operations.seal"

    stream: str = field(metadata={"help": "The stream.", "choices": every_stream})

    @property
    def target(self) -> str:
        """One change at a time for each stream."""
        return f"stream/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What stops. Raises InvalidInput where it may not be sealed or is already, StreamNotFound."""
        info = await get_stream(store.connection, self.stream)
        check_allowed(registry, Act.SEAL, self.stream, info)
        writers = f"Whoever publishes to {', '.join(info.subjects)} is refused from then on." if info.subjects else ""
        ages = (
            (f"Its messages no longer expire, although max_age is set ({_days(info.config['max_age'])}).",)
            if info.config.get("max_age")
            else ()
        )
        return Plan(
            summary=f"Seal {self.stream}",
            saw={"created": str(info.created)},
            changes=(
                Change(what="Sealed", now="no", after="yes, for good"),
                Change(what="Messages", now=f"{info.messages:,}", after=f"{info.messages:,} or what is stored until then"),
            ),
            notes=(*((writers,) if writers else ()), *ages, *await blast_radius(store.connection, registry, info)),
            undo="A sealed stream cannot be opened again; it can only be read, copied or deleted.",
            confirm_with=self.stream,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Seal it; sealed already is the same end."""
        info = await get_stream(store.connection, self.stream)
        if not info.is_sealed:
            check_allowed(registry, Act.SEAL, self.stream, info)
            config = {**info.config, "sealed": True}
            await store.connection.api(f"STREAM.UPDATE.{self.stream}", config, stream=self.stream)
        info = await get_stream(store.connection, self.stream)
        figures: dict[str, Value] = {"messages": info.messages, "last_sequence": info.last_sequence}
        return Outcome(sentence=f"{self.stream} is sealed with {info.messages:,} messages.", figures=figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteStream:
    """Deletes a stream, a key-value bucket (KV_…) or an object store (OBJ_…) with everything in it, and its consumers."""

    title: ClassVar[str] = "Delete a stream or bucket"
    permission: ClassVar[str] = "operations.delete_stream"

    stream: str = field(metadata={"help": "The stream; of a bucket its name after KV_ or OBJ_.", "choices": every_stream})

    @property
    def target(self) -> str:
        """One change at a time for each stream."""
        return f"stream/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What goes with it. Raises InvalidInput where it may not be deleted, StreamNotFound."""
        info = await get_stream(store.connection, self.stream)
        check_allowed(registry, Act.DELETE, self.stream, info)
        return Plan(
            summary=f"Delete {self.stream} with {info.messages:,} message{'' if info.messages == 1 else 's'}",
            saw={"last sequence": info.last_sequence, "messages": info.messages, "created": str(info.created)},
            changes=(
                Change(what="Messages", now=f"{info.messages:,}", after="gone"),
                Change(what="Consumers", now=f"{info.consumers:,}", after="gone"),
                Change(what="Subjects", now=" ".join(info.subjects) or "none of its own", after="stored by no stream"),
            ),
            counts=((self.stream, info.messages),),
            notes=await blast_radius(store.connection, registry, info),
            undo="It cannot be undone; only a backup taken before brings the stream back.",
            confirm_with=self.stream,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Record what goes, then delete it; gone already, by an earlier attempt, is the same end."""
        try:
            info = await get_stream(store.connection, self.stream)
        except StreamNotFound:
            if progress.checkpoint is None:
                raise
            return Outcome(sentence=f"Deleted {self.stream}.", figures=dict(progress.checkpoint))
        check_allowed(registry, Act.DELETE, self.stream, info)

        async def everything() -> list[Range]:
            return await places_of(
                store.connection, info, await measure(store.connection, info, pattern=ALL, before=info.last_sequence + 1)
            )

        removal = await record(store, registry, info, progress, operation=DELETE_STREAM, pattern=ALL, find=everything)
        figures: dict[str, Value] = {**(receipt_of(removal) if removal else {}), "events": info.messages}
        await progress.report(0, info.messages, checkpoint=figures, force=True)
        await store.connection.api(f"STREAM.DELETE.{self.stream}", stream=self.stream, timeout=60)
        return Outcome(sentence=f"Deleted {self.stream} with {info.messages:,} messages.", figures=figures)


def _days(nanoseconds: int) -> str:
    return f"{nanoseconds / 86_400e9:g} days"
