"""This module is the runner: it brings one build of a projection up to the newest event and keeps it there, each event exactly once.

Far behind, events come from the reader of whole streams; near the head, from the build's durable consumer. Either way a batch is folded
in memory and written with its position in one atomic batch, so a runner that is killed at any point costs at most one batch of work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..errors import ContinuityLost, FeatureUnavailable, InvalidInput, PermissionDenied, ProjectionFailed, Unavailable
from ..store import Message, Store, get_stream, open_reader
from .definition import ProjectionDefinition, bucket_of
from .durable import Durable, follow
from .folding import Stumble, Touched, fold, touch
from .models import ModelBucket, Position
from .pace import Pace
from .starting import begin_with_start

FAR_BEHIND = 5_000
"""With more events than this to go, the reader of whole streams is used."""
MAX_EVENTS = 2_000
"""In one batch."""
MAX_OVERHEAD = 16 * 1024
"""What a stored model may need beside its own bytes."""
_SLICE = 200
_READ_SIZE = 500
_COMMIT_BYTES = 8 * 1024 * 1024
_LINGER_SECONDS = 0.02
_LOOK_SECONDS = 0.5
_MOVE_SECONDS = 5.0
_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_GIVE_UP_SECONDS = 60.0

log = logging.getLogger(__name__)


class EventRefused(ProjectionFailed):
    """ProjectionFailed, with the message that could not be applied."""

    def __init__(self, projection: str, stumble: Stumble) -> None:
        super().__init__(projection, sequence=stumble.message.sequence, reason=stumble.reason)
        self.message = stumble.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a runner is: its position, and about how many events it still has before it."""

    position: Position
    pending: int


OnProgress = Callable[[Progress], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a runner is told from outside.

    `until`: stop after the event at this sequence, or the last one before it (None: go on for ever). `on_progress` is awaited after each
    batch; what it raises ends the runner. `should_stop` is asked between batches. `fence` is called before each write and raises (as
    Lease.check does) when this worker may not write any more. `skip` are sequences that an operator chose to leave out.
    """

    until: int | None = None
    on_progress: OnProgress | None = None
    should_stop: Callable[[], bool] = lambda: False
    fence: Callable[[], None] = lambda: None
    skip: frozenset[int] = frozenset()


async def run_projection(store: Store, definition: ProjectionDefinition, build: int, orders: Orders | None = None) -> Position:
    """Apply events to build `build` until told to stop, and return its position. It is created if it is not there.

    A broken connection is waited for and nothing is lost or applied twice. Raises EventRefused (a ProjectionFailed) at an event that
    cannot be applied, with everything before it stored; ProjectionFailed where it lacks the models to begin with; RevisionConflict if
    another worker writes to this build; Unavailable where the server stays away for a minute, or at once where it lacks a feature or a
    right; ContinuityLost where the stream is not the one that was read before.
    """
    runner = _Runner(store, definition, build, orders or Orders())
    attempt, failing_since = 0, 0.0
    while True:
        before = runner.models.position
        try:
            return await runner.run()
        except (FeatureUnavailable, PermissionDenied):
            raise
        except Unavailable as error:
            moment = time.monotonic()
            if attempt == 0 or runner.models.position != before:
                attempt, failing_since = 0, moment
            if moment - failing_since > _GIVE_UP_SECONDS or runner.orders.should_stop():
                raise
            log.warning("projection %s waits for the server: %s", definition.name, error)
        await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
        attempt += 1


class _Runner:
    """One run of one build."""

    def __init__(self, store: Store, definition: ProjectionDefinition, build: int, orders: Orders) -> None:
        self.store = store
        self.definition = definition
        self.orders = orders
        self.models = ModelBucket(store.connection, definition, build)
        self._durable = Durable.of_build(store.connection, definition, build)
        self._build = build
        self._pace = Pace(definition.rate_limit)
        self._limit = MAX_EVENTS
        self._pending = 0
        self._moved_at: float | None = None  # while catching up: when the durable was last moved along

    async def run(self) -> Position:
        await self._open()
        try:
            await self._run()
        except EventRefused:
            await self._move_along()
            raise
        await self._move_along()
        return self.models.position

    async def _run(self) -> None:
        self._moved_at = None
        while not self.orders.should_stop():
            await self._move_along()
            if self.orders.until is not None or self._pending > FAR_BEHIND:
                await self._catch_up(self.orders.until)
                if self.orders.until is not None:
                    return
            else:
                await self._follow()

    async def _open(self) -> None:
        stream = await get_stream(self.store.connection, self.definition.stream)
        position = await self.models.open(replicas=stream.replicas)
        if position.version != self.definition.version:
            raise InvalidInput(
                f"{bucket_of(self.definition.name, self._build)} was built by version {position.version} of the projection, and this "
                f"worker has version {self.definition.version}; build it anew beside the old one."
            )
        if stream.last_sequence < position.sequence:
            raise ContinuityLost(
                f"{stream.name} ends at sequence {stream.last_sequence:,}, but {self.definition.name} has applied sequence "
                f"{position.sequence:,}: the stream was made anew. Build the projection anew."
            )
        if position.sequence == 0:
            await begin_with_start(self.store, self.definition, self.models, skip=self.orders.skip)

    async def _catch_up(self, until: int | None) -> None:
        """Read the stream to its end (or to `until`), moving the durable along so that lag stays true."""
        self._moved_at = time.monotonic()
        async with open_reader(
            self.store.connection,
            self.definition.stream,
            from_sequence=self.models.position.sequence + 1,
            to_sequence=until,
            patterns=self.definition.subjects,
            batch_size=_READ_SIZE,
        ) as reader:
            async for messages in reader:
                await self._apply(messages)
                if self.orders.should_stop():
                    break
        self._moved_at = None

    async def _move_along(self) -> None:
        await self._durable.move(self.models.position.sequence)
        self._pending = self._durable.pending

    async def _follow(self) -> None:
        """Take new events as they come; return when something is wrong with the durable, or when it is far behind again."""
        written_at = 0.0
        async with follow(self.store.connection, self._durable, self.models.position.sequence) as follower:
            while not self.orders.should_stop():
                messages = await follower.take(wait_seconds=_LOOK_SECONDS)
                if messages:
                    await asyncio.sleep(max(0.0, written_at + _LINGER_SECONDS - time.monotonic()))
                    messages += follower.taken_meanwhile()
                    self._pending = follower.pending
                    await self._apply(messages)
                    written_at = time.monotonic()
                    if self.models.position.sequence >= messages[-1].sequence:
                        await follower.acknowledge()
                if follower.is_broken or follower.pending > FAR_BEHIND:
                    return

    async def _apply(self, messages: list[Message]) -> None:
        """Apply all of `messages`, in as many batches as they need."""
        done = 0
        while done < len(messages):
            taken = await self._apply_batch(messages[done:] if done else messages)
            done += taken
            if self.orders.on_progress is not None:
                await self.orders.on_progress(Progress(position=self.models.position, pending=max(0, self._pending)))
            if self._moved_at is not None and time.monotonic() - self._moved_at > _MOVE_SECONDS:
                await self._move_along()
                self._moved_at = time.monotonic()
            if done < len(messages) and self.orders.should_stop():
                return
            await self._pace.wait(taken)

    async def _apply_batch(self, messages: list[Message]) -> int:
        """Apply as many of `messages` as one batch holds, write it, and return how many. Raises EventRefused after writing."""
        wanted = [message for message in messages if message.sequence not in self.orders.skip] if self.orders.skip else messages
        touched = await self._touch(wanted)
        stored = await self.models.fetch(touched.keys)
        folded = fold(self.definition, touched, stored, max_bytes=self.store.connection.server.max_payload - MAX_OVERHEAD)
        last = touched.events[folded.applied - 1][0].sequence if folded.applied else 0
        is_whole = folded.stumble is None and len(touched.events) == len(wanted)
        if is_whole:
            last = messages[-1].sequence
        if last:
            self.orders.fence()
            await self.models.commit(folded.changes, sequence=last, applied=folded.applied, left_out=self._left_out(messages, last))
        if folded.stumble is not None:
            raise EventRefused(self.definition.name, folded.stumble)
        size = sum(len(data) for data in folded.changes.values() if data)
        self._limit = max(1, len(touched.events) // 2) if size > _COMMIT_BYTES else min(MAX_EVENTS, self._limit * 2)
        taken = len(messages) if is_whole else next(n for n, message in enumerate(messages, 1) if message.sequence == last)
        self._pending -= taken
        return taken

    def _left_out(self, messages: list[Message], last: int) -> list[int] | None:
        """The events passed over up to `last`, now and before; None where none was."""
        if not self.orders.skip:
            return None
        passed = [message.sequence for message in messages if message.sequence <= last and message.sequence in self.orders.skip]
        return [*self.models.position.left_out, *passed]

    async def _touch(self, messages: list[Message]) -> Touched:
        """Decode one batch, letting other work of this process in between slices of some milliseconds."""
        touched = Touched()
        limit = min(len(messages), self._limit, self._pace.batch_size)
        for start in range(0, limit, _SLICE):
            touch(touched, self.store, self.definition, messages[start : min(limit, start + _SLICE)])
            await asyncio.sleep(0)
            if touched.is_closed:
                break
        return touched
