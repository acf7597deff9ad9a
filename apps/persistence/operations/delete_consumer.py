"""This module is deleting a consumer: its place in the stream goes with it, and whoever reads by it gets nothing more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..registry import Registry
from ..store import ConsumerInfo, Store, StreamInfo, delete_consumer
from ..work.operation import Change, Outcome, Plan, Progress
from .consumer_rights import find_allowed, find_changeable
from .stream_choices import every_stream


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteConsumer:
    """Deletes a consumer and its place in the stream; the events stay."""

    title: ClassVar[str] = "Delete a consumer"
    permission: ClassVar[str] = "operations.delete_consumer"

    stream: str = field(metadata={"help": "The stream that it reads.", "choices": every_stream})
    consumer: str = field(metadata={"help": "The consumer's name."})

    @property
    def target(self) -> str:
        """One change at a time for each consumer."""
        return f"consumer/{self.stream}/{self.consumer}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What it leaves undone. Raises InvalidInput where it may not be deleted, StreamNotFound."""
        info, consumer = await find_changeable(store.connection, registry, self.stream, self.consumer)
        return Plan(
            summary=f"Delete the consumer {self.consumer} of {self.stream}",
            saw={"created": str(consumer.created), "position": consumer.position},
            changes=(
                Change(what="Consumer", now=_kind(consumer), after="gone"),
                Change(what="Finished to sequence", now=f"{consumer.position:,}", after="not known any more"),
                Change(what="Events not processed", now=f"{consumer.pending:,}", after="delivered to nobody by it"),
                Change(what="Given out, not acknowledged", now=f"{consumer.ack_pending:,}", after="not given out again by it"),
                Change(what="Last delivery", now=_last(consumer), after="–"),
            ),
            notes=(*_readers(consumer), *_stored_for_it(info, consumer)),
            undo=f"Create it again, with its start at sequence {consumer.position + 1:,}.",
            confirm_with=self.consumer,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Delete it; gone already, by an earlier attempt, is the same end. One that was made anew meanwhile is left alone."""
        _, consumer = await find_allowed(store.connection, registry, self.stream, self.consumer)
        before = progress.checkpoint
        if before is None:
            _, consumer = await find_changeable(store.connection, registry, self.stream, self.consumer)
            before = {"created": str(consumer.created), "position": consumer.position, "not_processed": consumer.lag}
            await progress.report(0, 1, checkpoint=before, force=True)
        if consumer is not None and str(consumer.created) != before["created"]:
            raise InvalidInput(f"{self.consumer} of {self.stream} was made anew by somebody else meanwhile, and is left alone. Plan again.")
        await delete_consumer(store.connection, self.stream, self.consumer)
        await progress.report(1, 1, checkpoint=before, force=True)
        return Outcome(
            sentence=f"Deleted the consumer {self.consumer} of {self.stream}, which had finished to sequence {before['position']!s}.",
            figures={"position": before["position"], "not_processed": before["not_processed"]},
        )


def _kind(consumer: ConsumerInfo) -> str:
    filters = f"of {' '.join(consumer.filter_subjects)}" if consumer.filter_subjects else "of everything"
    return f"{'durable' if consumer.durable else 'ephemeral'}, {'push' if consumer.is_push else 'pull'}, {filters}"


def _last(consumer: ConsumerInfo) -> str:
    return f"{consumer.last_delivered:%Y-%m-%d %H:%M:%S} UTC" if consumer.last_delivered else "never"


def _readers(consumer: ConsumerInfo) -> tuple[str, ...]:
    if consumer.is_push and consumer.is_bound:
        return ("Somebody is subscribed to it now, and is sent nothing more.",)
    if consumer.waiting:
        return (f"It is read now: {consumer.waiting:,} requests wait at it and end with an error. Its program may make it anew by itself.",)
    return ("Nobody reads it at this moment.",)


def _stored_for_it(info: StreamInfo, consumer: ConsumerInfo) -> tuple[str, ...]:
    if info.retention != "interest":
        return ()
    return (f"{info.name} keeps messages only while a consumer waits for them: what only this one had not acknowledged goes with it.",)
