"""This module is deleting one message of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..chain.gaps import Range
from ..chain.removal_runs import DELETE_MESSAGE
from ..errors import EventNotFound, ServerRefused
from ..registry import Registry
from ..store import Message, Store, get_message, get_stream
from ..work.operation import Change, Outcome, Plan, Progress
from .blast import blast_radius
from .protection import Act, check_allowed
from .removing import receipt_of, record
from .stream_choices import every_stream

NO_SUCH_SEQUENCE = 10043


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMessage:
    """Deletes one message of a stream for good; its sequence stays empty."""

    title: ClassVar[str] = "Delete a message"
    permission: ClassVar[str] = "operations.delete_message"

    stream: str = field(metadata={"help": "The stream.", "choices": every_stream})
    sequence: int = field(metadata={"help": "The message's sequence.", "least": 1})
    erase: bool = field(default=True, metadata={"help": "Also overwrite its bytes on the server's disk."})

    @property
    def target(self) -> str:
        """One change at a time for each stream."""
        return f"stream/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """Which message goes. Raises InvalidInput where it may not, EventNotFound, StreamNotFound."""
        info = await get_stream(store.connection, self.stream)
        check_allowed(registry, Act.DELETE_MESSAGE, self.stream, info)
        message = await get_message(store.connection, self.stream, self.sequence)
        return Plan(
            summary=f"Delete message {self.sequence:,} of {self.stream}",
            saw={"created": str(info.created), f"sequence {self.sequence}": message.subject},
            changes=(
                Change(what=message.subject, now=f"{len(message.data):,} bytes, stored {message.time:%Y-%m-%d %H:%M:%S} UTC", after="gone"),
                Change(what="Messages", now=f"{info.messages:,}", after=f"{info.messages - 1:,}"),
            ),
            counts=((message.subject, 1),),
            notes=await blast_radius(store.connection, registry, info),
            undo="It cannot be undone; only a backup taken before brings the message back.",
            confirm_with=self.stream,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Record it, then delete it. An interrupted deletion is finished by its own record."""
        info = await get_stream(store.connection, self.stream)
        check_allowed(registry, Act.DELETE_MESSAGE, self.stream, info)
        message = await self._find(store)

        async def place() -> list[Range]:
            return [Range(self.sequence, self.sequence)] if message else []

        pattern = message.subject if message else ""
        removal = await record(store, registry, info, progress, operation=DELETE_MESSAGE, pattern=pattern, find=place)
        if removal is None:
            raise EventNotFound(self.stream, self.sequence)
        try:
            body = {"seq": self.sequence, "no_erase": not self.erase}
            await store.connection.api(f"STREAM.MSG.DELETE.{self.stream}", body, stream=self.stream)
        except ServerRefused as error:
            if error.err_code != NO_SUCH_SEQUENCE:
                raise
        return Outcome(sentence=f"Deleted message {self.sequence:,} of {self.stream}, {removal.pattern}.", figures=receipt_of(removal))

    async def _find(self, store: Store) -> Message | None:
        try:
            return await get_message(store.connection, self.stream, self.sequence, leader=True)
        except EventNotFound:
            return None
