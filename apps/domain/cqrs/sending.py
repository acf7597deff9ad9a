"""This module is sending a command and waiting for its acknowledgement: from a web process, a script or a test.

The command is stored in the work queue, so it is not lost where no worker lives; the answer is that of the worker that carried it out.
Sending the same command again gives the same answer and has no second effect.
"""

from __future__ import annotations

import asyncio
from typing import Any

from apps.persistence.errors import EncodingError, InvalidInput, Unavailable
from apps.persistence.events import AggregateRef, new_id
from apps.persistence.registry import Command
from apps.persistence.store import Connection, CoreMessage
from apps.persistence.work.commands import Accepted, Rejected, notice_subject, read_notice, send_command
from apps.persistence.work.heartbeat import list_workers

from .acknowledged import CommandAck, ack_subject, find_ack, read_ack
from .commands import name_of
from .identity import CorrelationId
from .payload import to_payload

ANSWER_SECONDS = 10.0


class Unanswered(Unavailable):
    """A command is stored and no worker has answered yet; it is carried out once one takes it."""

    def __init__(self, command_id: str, sentence: str) -> None:
        super().__init__(sentence)
        self.command_id = command_id


def new_command(
    declared: Any, to: AggregateRef, *, actor: str, name: str = "", command_id: str = "", correlation: CorrelationId | None = None
) -> Command:
    """The command that a declared dataclass stands for, with ids of its own where none are given."""
    command_id = command_id or new_id()
    return Command(
        id=command_id,
        aggregate=to,
        name=name or name_of(type(declared)),
        payload=to_payload(declared),
        actor=actor,
        correlation=correlation.text if correlation else command_id,
    )


async def submit(connection: Connection, command: Command, *, timeout_seconds: float = ANSWER_SECONDS) -> CommandAck:
    """Store a command and wait for the answer of the worker that carries it out: Accepted or Rejected, nothing else.

    Raises Unanswered where none comes in time (sending the same command again is safe), Unavailable where the server is away.
    """
    answer: asyncio.Future[CommandAck] = asyncio.get_running_loop().create_future()

    def noted(message: CoreMessage) -> None:
        _settle(answer, command.id, message)

    async with connection.subscribe(ack_subject(command.id), noted), connection.subscribe(notice_subject(command.id), noted):
        known = await find_ack(connection, command.id)
        if known is not None:
            return known
        stored = await send_command(connection, command)
        if isinstance(stored, Rejected):
            return stored
        try:
            async with asyncio.timeout(timeout_seconds):
                return await answer
        except TimeoutError:
            return await find_ack(connection, command.id) or await _unanswered(connection, command, timeout_seconds)


def _settle(answer: asyncio.Future[CommandAck], command_id: str, message: CoreMessage) -> None:
    if answer.done():
        return
    try:
        is_ack = message.subject == ack_subject(command_id)
        answer.set_result(read_ack(command_id, message.data) if is_ack else read_notice(message.data))
    except (EncodingError, InvalidInput) as error:
        answer.set_exception(error)


async def _unanswered(connection: Connection, command: Command, seconds: float) -> CommandAck:
    workers = len(await list_workers(connection))
    why = f"None of {workers} workers has answered" if workers > 1 else "The worker has not answered" if workers else "No worker is at work"
    rest = "" if workers else " Start one with: python3 run.py worker."
    raise Unanswered(
        command.id,
        f"{why}: after {seconds:g} s there is no acknowledgement of {command.name} to {command.aggregate}. "
        f"It waits in the queue and is carried out once; do not send another.{rest}",
    )


__all__ = ["ANSWER_SECONDS", "Accepted", "Rejected", "Unanswered", "new_command", "submit"]
