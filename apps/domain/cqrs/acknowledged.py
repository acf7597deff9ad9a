"""This module is acknowledgements: what a worker answered to a command, kept for a day, so that the same command gets the same answer.

A command lies in the work queue until a worker settled it. Before that the worker notes its answer in the bucket `cim-acks`, under the
command's id and only once; the sender watches that key. A worker that is killed between appending the events and noting the answer
leaves the command to another one, which finds the events by their causation, appends nothing and notes the same answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import uniform
from weakref import WeakSet

from apps.persistence.encoding import decode, encode
from apps.persistence.errors import EncodingError, InvalidInput, InvalidState, RevisionConflict, StreamNotFound, VersionConflict
from apps.persistence.registry import Command, CommandHandler
from apps.persistence.store import Connection, Store, ensure_bucket, kv_get, kv_put
from apps.persistence.work.commands import Accepted, Rejected, is_final

ACKS_BUCKET = "cim-acks"
KEPT_SECONDS = 86_400
TRIES_AFTER_CONFLICT = 10
LONGEST_PAUSE_SECONDS = 0.25

CommandAck = Accepted | Rejected
"""All that a command ever returns. Accepted: it was carried out; what it caused comes as events."""

_ready: WeakSet[Connection] = WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAccepted:
    """The query is answered: its result is published for its correlation id."""

    query_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRejected:
    """There will be no result; `reason` is a sentence for a person."""

    query_id: str
    reason: str


QueryAck = QueryAccepted | QueryRejected
"""All that a query ever returns."""


def ack_subject(command_id: str) -> str:
    """Where the answer to a command is written, once."""
    return f"$KV.{ACKS_BUCKET}.{command_id}"


async def find_ack(connection: Connection, command_id: str) -> CommandAck | None:
    """The answer that was given to this command within the last day, or None. Raises Unavailable."""
    try:
        entry = await kv_get(connection, ACKS_BUCKET, command_id, leader=True)
    except StreamNotFound:
        return None
    return read_ack(command_id, entry.value) if entry else None


def read_ack(command_id: str, data: bytes) -> CommandAck:
    """The answer in an entry of the bucket. Raises EncodingError for anything else."""
    value = decode(data)
    if not isinstance(value, dict) or not isinstance(value.get("reason"), str):
        raise EncodingError(f"The entry {command_id} of {ACKS_BUCKET} is no acknowledgement.")
    reason = str(value["reason"])
    return Rejected(command_id=command_id, reason=reason) if reason else Accepted(command_id=command_id)


async def once(store: Store, command: Command, handler: CommandHandler) -> None:
    """Carry out a command unless it was answered, and note the answer. A conflict is tried again, a bounded number of times.

    Raises InvalidState with the reason of the answer where it is a refusal, Unavailable where the command must come again.
    """
    answer = await find_ack(store.connection, command.id)
    if answer is None:
        answer = await _note(store.connection, await _carried_out(store, command, handler))
    if isinstance(answer, Rejected):
        raise InvalidState(answer.reason)


async def _carried_out(store: Store, command: Command, handler: CommandHandler) -> CommandAck:
    for attempt in range(TRIES_AFTER_CONFLICT):
        try:
            await handler(store, command)
            return Accepted(command_id=command.id)
        except VersionConflict:
            await asyncio.sleep(uniform(0, min(LONGEST_PAUSE_SECONDS, 0.01 * 2**attempt)))
        except (InvalidInput, EncodingError) as error:
            if not is_final(error):
                raise
            return Rejected(command_id=command.id, reason=str(error))
    reason = f"{command.aggregate} was changed by others {TRIES_AFTER_CONFLICT} times while this was decided; look at it and send it again."
    return Rejected(command_id=command.id, reason=reason)


async def _note(connection: Connection, answer: CommandAck) -> CommandAck:
    """The answer that is kept: this one, or the one that another worker noted first."""
    if connection not in _ready:
        await ensure_bucket(connection, ACKS_BUCKET, ttl_seconds=KEPT_SECONDS)
        _ready.add(connection)
    data = encode({"reason": answer.reason if isinstance(answer, Rejected) else ""})
    try:
        await kv_put(connection, ACKS_BUCKET, answer.command_id, data, expected_revision=0)
    except RevisionConflict:
        return await find_ack(connection, answer.command_id) or answer
    return answer
