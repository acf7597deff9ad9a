"""This module is commands: sent into a work queue, acknowledged once stored, carried out by any worker, refused with a reason or done.

A command lies in CIM-COMMANDS under `cim.commands.{context}.{aggregate}.{entity}.{command}`; its subject says what it is for (rights are
given by subject), its body who asks for what. Results arrive as events whose `causation` is the command's id. A refusal is said in core
NATS under `cim.live.commands.{id}` and in the server's advisory MSG_TERMINATED.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import (
    EncodingError,
    InvalidEvent,
    InvalidInput,
    PayloadRedacted,
    PayloadUnreadable,
    PersistenceError,
    PlanStale,
    Unavailable,
    VersionConflict,
)
from ..events import AggregateRef, format_time, now
from ..events.identity import check_uuid
from ..registry import Command, Registry
from ..store import COMMANDS_STREAM, Connection, Outgoing, Store, store_message
from ..store.client import parse_headers
from ..store.publish import MESSAGE_ID
from ..subjects import check_token
from .pull import Delivery, PullConsumer, PullSettings, open_pull

COMMANDS_ROOT = "cim.commands"
NOTICES_ROOT = "cim.live.commands"
CONSUMER = "cim-commands"
AT_ONCE = 8
MOST_IN_HAND = 32
ACK_WAIT_SECONDS = 20.0
TRIES_AFTER_CONFLICT = 5
MAX_RETRY_SECONDS = 60.0
RECONNECT_SECONDS = 0.5
HEADER_BYTES = 1024

_FINAL = (InvalidInput, PlanStale, EncodingError)
_FIELDS = frozenset({"id", "name", "payload", "actor", "correlation", "time"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The command is valid in form and stored; what comes of it arrives as events, or as a Rejected notice."""

    command_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The command will never be carried out; `reason` is a sentence for a person."""

    command_id: str
    reason: str


Acknowledgement = Accepted | Rejected


async def send_command(connection: Connection, command: Command) -> Acknowledgement:
    """Check the command's form and store it. Accepted once the server has it on disk, Rejected where it cannot be a command.

    Raises Unavailable where the server does not answer; sending the same command again is then safe, as it is carried out once.
    """
    try:
        message = _to_message(connection, command)
    except (InvalidInput, EncodingError) as error:
        return Rejected(command_id=command.id, reason=str(error))
    await store_message(connection, message)
    return Accepted(command_id=command.id)


def notice_subject(command_id: str) -> str:
    """Where a refusal of this command is said, once; subscribe before sending it."""
    return f"{NOTICES_ROOT}.{check_token(command_id, 'a command id')}"


def read_notice(data: bytes) -> Rejected:
    """The refusal in a message under `cim.live.commands.*`. Raises EncodingError or InvalidInput for anything else."""
    value = decode(data)
    if not isinstance(value, dict) or value.keys() != {"id", "reason"}:
        raise InvalidInput("The message is not a notice of a refused command.")
    return Rejected(command_id=str(value["id"]), reason=str(value["reason"]))


def read_command(subject: str, data: bytes) -> Command:
    """The command in a stored message. Raises EncodingError or InvalidInput saying what is wrong with it."""
    tokens = subject.removeprefix(f"{COMMANDS_ROOT}.").split(".")
    if not subject.startswith(f"{COMMANDS_ROOT}.") or len(tokens) != 4:
        raise InvalidInput(f"{subject[:80]!r} is no subject of a command; it is {COMMANDS_ROOT}.context.aggregate.entity.command.")
    body = decode(data)
    if not isinstance(body, dict) or body.keys() != _FIELDS:
        raise InvalidInput(f"A command's body holds exactly {', '.join(sorted(_FIELDS))}.")
    context, aggregate, entity, name = tokens
    if body["name"] != name:
        raise InvalidInput(f"The command's body says {body['name']!r} and its subject {name!r}; they must agree.")
    command = Command(
        id=cast(str, body["id"]),
        aggregate=AggregateRef(context, aggregate, entity),
        name=name,
        payload=cast("dict[str, Value]", body["payload"]),
        actor=cast(str, body["actor"]),
        correlation=cast(str, body["correlation"]),
    )
    _check(command)
    return command


async def consume_commands(store: Store, registry: Registry, stop: asyncio.Event, *, ack_wait_seconds: float = ACK_WAIT_SECONDS) -> None:
    """Carry out commands until `stop` is set (within a second) or this is cancelled. Any number of workers share the queue.

    Commands for one aggregate that a worker holds are carried out in their order; a sender that needs an order across workers waits
    for the event before it sends the next. An accepted command stays in the queue until it is done or refused: a worker that is killed
    leaves it to another one after `ack_wait_seconds`, and a handler that fails is called again, later and later, for as long as it takes.
    """
    settings = PullSettings(stream=COMMANDS_STREAM, durable=CONSUMER, batch_size=MOST_IN_HAND, ack_wait_seconds=ack_wait_seconds)
    async with open_pull(store.connection, settings) as queue, asyncio.TaskGroup() as group:
        worker = _Worker(store=store, registry=registry, queue=queue, group=group)
        while not stop.is_set():
            await worker.has_room()
            try:
                deliveries = await queue.take()
            except PersistenceError as error:
                log.warning("commands cannot be taken: %s", error)
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            worker.begin(deliveries)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    """`lanes` are the commands in hand by the aggregate that they are for: one after the other in each, several lanes at once."""

    store: Store
    registry: Registry
    queue: PullConsumer
    group: asyncio.TaskGroup
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    lanes: dict[str, deque[Delivery]] = field(default_factory=dict)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def has_room(self) -> None:
        """Wait until more commands may be taken: a slow one does not keep the next from being taken, many do."""
        while sum(map(len, self.lanes.values())) >= MOST_IN_HAND:
            self.settled.clear()
            await self.settled.wait()

    def begin(self, deliveries: list[Delivery]) -> None:
        """Have them carried out, behind what is in hand already."""
        for delivery in sorted(deliveries, key=lambda delivery: delivery.sequence):
            aggregate = delivery.subject.rpartition(".")[0]
            if aggregate in self.lanes:
                self.lanes[aggregate].append(delivery)
                continue
            self.lanes[aggregate] = deque([delivery])
            self.group.create_task(self._empty(aggregate))

    async def _empty(self, aggregate: str) -> None:
        """Carry out a lane until it is empty."""
        lane = self.lanes[aggregate]
        async with self.slots:
            while lane:
                await self._first_of(lane)
                self.settled.set()
            del self.lanes[aggregate]

    async def _first_of(self, lane: deque[Delivery]) -> None:
        """Carry out a lane's first command; where it must wait, those behind it wait with it.

        What cannot be said to the server now it delivers again by itself.
        """
        try:
            delay = await self._carry_out(lane[0])
            if delay is not None:
                for waiting in lane:
                    await self.queue.put_back(waiting, delay_seconds=delay)
                lane.clear()
        except Unavailable as error:
            log.warning("a command's outcome could not be settled and it will come again: %s", error)
            lane.clear()
        if lane:
            lane.popleft()

    async def _carry_out(self, delivery: Delivery) -> float | None:
        """Carry out one command and settle it, or return the seconds after which to try again. Raises Unavailable on a broken link."""
        try:
            await self._handle(read_command(delivery.subject, delivery.data))
        except PersistenceError as error:
            if is_final(error):
                await self._refuse(delivery, str(error))
                return None
            log.warning("%s at sequence %d will be tried again: %s", delivery.subject, delivery.sequence, error)
            return _retry_seconds(delivery.attempt)
        except Exception:
            log.exception("the handler of %s at sequence %d failed; it will be called again", delivery.subject, delivery.sequence)
            return _retry_seconds(delivery.attempt)
        await self.queue.settle(delivery)
        return None

    async def _handle(self, command: Command) -> None:
        aggregate = command.aggregate
        handler = self.registry.commands.get((aggregate.context, aggregate.type))
        if handler is None:
            raise InvalidInput(f"Nobody here handles commands for {aggregate.context}.{aggregate.type}; check CIM_DOMAINS on the workers.")
        for _ in range(TRIES_AFTER_CONFLICT - 1):
            try:
                return await handler(self.store, command)
            except VersionConflict:
                continue
        await handler(self.store, command)

    async def _refuse(self, delivery: Delivery, reason: str) -> None:
        """Tell whoever waits, then take the command out of the queue: in this order, so that nobody waits for ever."""
        log.info("%s at sequence %d is refused: %s", delivery.subject, delivery.sequence, reason)
        command_id = _id_of(delivery)
        if command_id is not None:
            await self.store.connection.publish(notice_subject(command_id), encode({"id": command_id, "reason": reason}))
        await self.queue.refuse(delivery, reason)


def is_final(error: PersistenceError) -> bool:
    """Whether a command is refused by it for good. A key that is not in this process may be in another, or come later."""
    if isinstance(error, PayloadUnreadable):
        return isinstance(error, PayloadRedacted)
    return isinstance(error, _FINAL)


def _to_message(connection: Connection, command: Command) -> Outgoing:
    _check(command)
    ref = command.aggregate
    subject = f"{COMMANDS_ROOT}.{ref.context}.{ref.type}.{ref.id}.{command.name}"
    body: dict[str, Value] = {
        "id": command.id,
        "name": command.name,
        "payload": command.payload,
        "actor": command.actor,
        "correlation": command.correlation,
        "time": format_time(now()),
    }
    data, limit = encode(body), connection.server.max_payload - HEADER_BYTES
    if len(data) > limit:
        raise InvalidInput(
            f"The command {command.name} is {len(data):,} bytes, and the server takes {limit:,}; store the large part elsewhere."
        )
    return Outgoing(subject, data, {MESSAGE_ID: command.id})


def _check(command: Command) -> None:
    check_token(command.name, "a command's name")
    check_uuid(command.id, "The command's id")
    check_uuid(command.correlation, "The command's correlation")
    if type(command.actor) is not str or not command.actor:
        raise InvalidInput(f"The command's actor is {command.actor!r}; say who asks.")
    if not isinstance(command.payload, dict):
        raise InvalidInput("The command's payload must be a map.")


def _retry_seconds(attempt: int) -> float:
    return min(MAX_RETRY_SECONDS, 0.25 * 2.0 ** min(attempt, 10))


def _id_of(delivery: Delivery) -> str | None:
    """The command's id as its sender gave it to the server, readable even where the body is not."""
    try:
        return check_uuid(parse_headers(delivery.raw_headers).get(MESSAGE_ID), "The command's id")
    except InvalidEvent:
        return None
