"""This module is resetting a consumer: from a sequence or a time on it is given everything again, or what lies before is skipped."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from ..encoding import Value
from ..errors import InvalidInput, PlanStale, ServerRefused
from ..registry import Registry
from ..store import (
    Connection,
    ConsumerInfo,
    Store,
    StreamInfo,
    create_consumer,
    delete_consumer,
    find_consumer,
    reset_consumer,
)
from ..store.api_errors import CONSUMER_EXISTS
from ..store.positions import sequence_at
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.parameters import Place
from .consumer_move import can_reset, moved_config, plan_move, was_moved
from .consumer_rights import find_allowed, find_changeable
from .stream_choices import every_stream

TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetConsumer:
    """Sets a consumer back or forward, so that the event at a sequence or a time is the next that it is given."""

    title: ClassVar[str] = "Reset a consumer"
    permission: ClassVar[str] = "operations.reset_consumer"

    stream: str = field(metadata={"help": "The stream that it reads.", "choices": every_stream})
    consumer: str = field(metadata={"help": "The consumer's name."})
    start: Place = field(metadata={"help": "The sequence or the time from which it goes on; 1 for everything again."})

    @property
    def target(self) -> str:
        """One change at a time for each consumer."""
        return f"consumer/{self.stream}/{self.consumer}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What is delivered again or skipped, counted. Raises InvalidInput where it may not be or nothing would change, StreamNotFound."""
        info, consumer = await find_changeable(store.connection, registry, self.stream, self.consumer)
        move = await plan_move(store.connection, info, consumer, await self._start(store.connection, info))
        if move.start == consumer.position + 1 and not consumer.ack_pending:
            raise InvalidInput(f"{self.consumer} is there already: the event at sequence {move.start:,} is the next that it is given.")
        return Plan(
            summary=f"Reset {self.consumer} of {self.stream} to sequence {move.start:,}",
            saw={"created": str(consumer.created), "position": consumer.position, "starts at": move.start},
            changes=(
                Change(what="Next event", now=f"{consumer.position + 1:,}", after=f"{move.start:,}"),
                Change(what="Events to process", now=f"{consumer.lag:,}", after=_figure(move.left)),
                *move.changes,
            ),
            counts=tuple((what, count) for what, count in (("delivered again", move.again), ("skipped", move.skipped)) if count),
            notes=move.notes,
            undo=f"Reset it to sequence {consumer.position + 1:,}; what was delivered by then has been delivered.",
            confirm_with=self.consumer if move.skipped != 0 else "",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Move it once. An attempt that was killed is finished: what had been done by it is not done again."""
        connection = store.connection
        info, consumer = await find_allowed(connection, registry, self.stream, self.consumer)
        before = progress.checkpoint
        if before is None:
            _, consumer = await find_changeable(connection, registry, self.stream, self.consumer)
            before = await self._before(connection, info, consumer)
            await progress.report(0, 1, checkpoint=before, force=True)
        start = cast(int, before["start"])
        if before["config"]:
            await self._make_anew(connection, consumer, before)
        else:
            await self._move(connection, consumer, before)
        left = await find_consumer(connection, self.stream, self.consumer)
        await progress.report(1, 1, checkpoint=before, sequence=start, force=True)
        return Outcome(
            sentence=f"{self.consumer} of {self.stream} goes on at sequence {start:,}, with {left.lag if left else 0:,} events to process.",
            figures={"sequence": start, "position_before": before["position"], "to_process": left.lag if left else 0},
        )

    async def _start(self, connection: Connection, info: StreamInfo) -> int:
        start = await sequence_at(connection, self.stream, self.start)
        if not 1 <= start <= info.last_sequence + 1:
            raise InvalidInput(
                f"start is sequence {start:,}, and {self.stream} ends at {info.last_sequence:,}; write {info.last_sequence + 1:,} to go on "
                "with what is stored from now on."
            )
        return start

    async def _before(self, connection: Connection, info: StreamInfo, consumer: ConsumerInfo) -> dict[str, Value]:
        """What the consumer was before it is touched; an attempt after this one knows by it how far this one came."""
        start = await self._start(connection, info)
        is_native = await can_reset(connection, consumer, start)
        return {
            "start": start,
            "created": str(consumer.created),
            "position": consumer.position,
            "delivered": consumer.delivered,
            "deliveries": consumer.deliveries,
            "config": "" if is_native else json.dumps(moved_config(consumer, start)),
        }

    async def _move(self, connection: Connection, consumer: ConsumerInfo | None, before: dict[str, Value]) -> None:
        if consumer is None or str(consumer.created) != before["created"]:
            raise PlanStale(f"{self.consumer} of {self.stream} was deleted or made anew by somebody else meanwhile. Plan again.")
        if not was_moved(consumer, before):
            await reset_consumer(connection, self.stream, self.consumer, cast(int, before["start"]))

    async def _make_anew(self, connection: Connection, consumer: ConsumerInfo | None, before: dict[str, Value]) -> None:
        """Delete and create. Whoever reads it may make it himself in between, by his own settings: then once more."""
        config: dict[str, Any] = json.loads(cast(str, before["config"]))
        for tries_left in reversed(range(TRIES)):
            if consumer is not None and _is_made(consumer, before):
                return
            if consumer is not None:
                await delete_consumer(connection, self.stream, self.consumer)
            try:
                await create_consumer(connection, self.stream, config)
            except ServerRefused as error:
                if error.err_code != CONSUMER_EXISTS or not tries_left:
                    raise
                consumer = await find_consumer(connection, self.stream, self.consumer)
            else:
                return


def _is_made(consumer: ConsumerInfo, before: dict[str, Value]) -> bool:
    is_new = str(consumer.created) != before["created"]
    return is_new and consumer.config.get("opt_start_seq") == before["start"]


def _figure(count: int | None) -> str:
    return "not known" if count is None else f"{count:,}"
