"""This module is the signer answering what it is asked over core NATS: what it signed last, which leaves, and what differs from it now.

Whoever may publish there can ask. A comparison reads a whole stream, so there is one at a time; it answers all who asked before it began.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from ..errors import InvalidInput, PersistenceError
from ..store import Connection, CoreMessage
from .answers import ASKED_SUBJECTS, LEAVES_ASKED, Difference, Question, parse_question, sign_answer
from .checkpoints import Checkpoint
from .keys import SigningKey
from .signed_database import Signed, SignedDatabase
from .signed_leaves import SignedLeaves

MOST_WAITING = 256
AGAIN_SECONDS = 5.0

FindDifference = Callable[[str, Signed], Awaitable[Difference | None]]

log = logging.getLogger(__name__)


class _Asked(NamedTuple):
    """A question about a stream, and where its answer goes."""

    stream: str
    question: Question
    reply: str


_Asking = asyncio.Queue[_Asked]


async def answer_questions(connection: Connection, database: SignedDatabase, key: SigningKey, find_difference: FindDifference) -> None:
    """Answer until cancelled; `key` bears the bare name of the log. More questions than it can hold are not answered."""
    desk = _Desk(connection, database, key, find_difference)
    while True:
        try:
            async with connection.subscribe(ASKED_SUBJECTS, desk.arrived), asyncio.TaskGroup() as group:
                group.create_task(desk.answer_plain(), name="answers")
                group.create_task(desk.answer_comparing(), name="comparisons")
        except* PersistenceError as errors:
            log.warning("questions are not answered for a moment: %s", errors.exceptions[0])
        await asyncio.sleep(AGAIN_SECONDS)


class _Desk:
    """The questions that wait, and how each is answered."""

    def __init__(self, connection: Connection, database: SignedDatabase, key: SigningKey, find_difference: FindDifference) -> None:
        self._connection = connection
        self._database = database
        self._key = key
        self._find_difference = find_difference
        self._plain: _Asking = asyncio.Queue(MOST_WAITING)
        self._comparing: _Asking = asyncio.Queue(MOST_WAITING)

    def arrived(self, message: CoreMessage) -> None:
        """Take a question, where it is one and there is room."""
        try:
            question = parse_question(message.data)
        except InvalidInput as error:
            log.info("a question is not answered: %s", error)
            return
        queue = self._comparing if question.compare else self._plain
        if message.reply and not queue.full():
            queue.put_nowait(_Asked(message.subject.rpartition(".")[2], question, message.reply))

    async def answer_plain(self) -> None:
        while True:
            asked = await self._plain.get()
            signed = self._signed(asked.stream)
            await self._answer(asked, signed, None, self._leaves(asked, signed))

    async def answer_comparing(self) -> None:
        while True:
            waiting = [await self._comparing.get()]
            while not self._comparing.empty():
                waiting.append(self._comparing.get_nowait())
            for stream in dict.fromkeys(asked.stream for asked in waiting):
                await self._compare(stream, [asked for asked in waiting if asked.stream == stream])

    async def _compare(self, stream: str, waiting: list[_Asked]) -> None:
        signed = self._signed(stream)
        try:
            difference = await self._find_difference(stream, signed)
        except PersistenceError as error:
            log.warning("%s cannot be compared with what was signed: %s", stream, error)
            return
        for asked in waiting:
            await self._answer(asked, signed, difference)

    def _signed(self, stream: str) -> Signed:
        return self._database.last(f"{self._key.name}/{stream}")

    def _leaves(self, asked: _Asked, signed: Signed) -> list[bytes]:
        """Of what was signed, the leaves that were asked for; none where there is no copy of them."""
        copy, after = SignedLeaves(self._database.folder, asked.stream), asked.question.after
        if after is None or after >= signed.size or not copy.is_there:
            return []
        return copy.read(after=after, last=min(signed.size, after + LEAVES_ASKED))

    async def _answer(self, asked: _Asked, signed: Signed, difference: Difference | None, leaves: Sequence[bytes] = ()) -> None:
        checkpoint = Checkpoint(origin=signed.origin, size=signed.size, root=signed.root)
        note = sign_answer(checkpoint, asked.question, self._key.named(signed.origin), difference=difference, leaves=leaves)
        await self._connection.publish(asked.reply, note.raw)
