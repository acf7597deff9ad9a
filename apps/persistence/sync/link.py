"""This module is a link: the events of this node, and those that it gathered, on their way to a server of a higher layer.

One pass reads what lies behind the position, sends what may go, and remembers what has to wait. Sending the same again changes nothing, so
a pass that is cut off anywhere is simply done anew. Of one aggregate nothing overtakes: behind an event that waits, the next ones wait too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import InvalidInput, StreamClosed
from ..events import Event, Scope, now
from ..store import (
    Connection,
    EventBlock,
    Message,
    Store,
    ensure_bucket,
    get_message,
    kv_get,
    kv_put,
    read_batch,
)
from ..subjects import check_token
from .envelope import PropagationPolicy, When, policy_of, reaches
from .gathered import GATHERED_STREAM, gather, node_of

SYNC_BUCKET = "cim-sync"
MAX_HELD = 5_000
"""So many events may wait; then reading rests until some of them go."""
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """`node` names this server among all that are linked; `layer` is the layer of the server it leads to, which decides what goes there."""

    name: str
    node: str
    layer: Scope

    def __post_init__(self) -> None:
        check_token(self.name, "the name of a link")
        check_token(self.node, "the name of a node")
        if self.layer is Scope.LOCAL:
            raise InvalidInput(f"The link {self.name} leads to the layer local, from where nothing goes anywhere; name a higher layer.")

    def origin_of(self, message: Message) -> str:
        """The node that wrote an event of this server: itself, or the one that it was gathered from."""
        return node_of(message.subject) if message.stream == GATHERED_STREAM else self.node


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An event that waits, and why: its own policy, or an event of the same aggregate that waits before it."""

    sequence: int
    aggregate: str
    version: int
    when: When
    since: datetime
    behind: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """How far a link has come in one stream of this node. `stayed` are events whose scope ends below the link's layer."""

    stream: str
    position: int = 0
    sent: int = 0
    stayed: int = 0
    held: tuple[int, ...] = ()
    released: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What one pass did: the state after it, what waits, and whether there is more to read."""

    state: LinkState
    sent: int
    held: tuple[Held, ...]
    has_more: bool


async def ensure_sync(connection: Connection) -> None:
    """Make the bucket of positions and conflicts where it is missing."""
    await ensure_bucket(connection, SYNC_BUCKET, history=5)


async def read_state(connection: Connection, link: Link, stream: str) -> LinkState:
    """How far the link is; at the beginning where it never ran."""
    entry = await kv_get(connection, SYNC_BUCKET, f"{link.name}.{stream}")
    if entry is None:
        return LinkState(stream=stream)
    value = cast("dict[str, Value]", decode(entry.value))
    numbers = {name: cast(int, value[name]) for name in ("position", "sent", "stayed", "released")}
    return LinkState(stream=stream, held=tuple(cast("list[int]", value["held"])), revision=entry.revision, **numbers)


async def held_of(link: Link, source: Store, state: LinkState, *, limit: int = 200) -> list[Held]:
    """The first of the events that wait, and why each does."""
    found: list[Held] = []
    first: dict[tuple[str, str], int] = {}
    for sequence in state.held[:limit]:
        message = await get_message(source.connection, state.stream, sequence)
        event = EventBlock.read(message.data).event
        key = (link.origin_of(message), str(event.aggregate))
        found.append(_held(message, event, policy_of(event), first.get(key)))
        first.setdefault(key, event.version)
    return found


async def release(connection: Connection, link: Link, stream: str, *, until: int) -> LinkState:
    """Let go what waits for a person, up to this sequence. Raises RevisionConflict where the link has moved meanwhile."""
    state = await read_state(connection, link, stream)
    return await _write_state(connection, link, replace(state, released=max(state.released, until)))


async def pass_on(link: Link, source: Store, target: Connection, *, at: datetime | None = None, has_just_connected: bool = False) -> Passed:
    """One pass over one stream of this node: its own events by `source`'s layout, or what it gathered.

    Raises BlockConflict where the target holds another event as the same version of this node, which means that this node's history was
    rewritten; StreamClosed where another generation of the stream serves; RevisionConflict where another process runs the same link.
    """
    stream = source.layout.stream
    if source.layout.generation > 1:
        raise StreamClosed(source.layout.name, successor=stream)
    state = await read_state(source.connection, link, stream)
    waiting = [await get_message(source.connection, stream, sequence) for sequence in state.held]
    fresh: tuple[Message, ...] = ()
    if len(waiting) < MAX_HELD:
        fresh = (await read_batch(source.connection, stream, from_sequence=state.position + 1, limit=_PAGE)).messages
    sorting = _Sorting(link, at or now(), state.released, has_just_connected)
    sorting.sort([*waiting, *fresh])
    sent = 0
    for node, blocks in sorting.going:
        sent += await gather(target, node, blocks)
    after = replace(
        state,
        position=fresh[-1].sequence if fresh else state.position,
        sent=state.sent + sent,
        stayed=state.stayed + sorting.stayed,
        held=tuple(one.sequence for one in sorting.held),
    )
    if after != state:
        after = await _write_state(source.connection, link, after)
    return Passed(state=after, sent=sent, held=tuple(sorting.held), has_more=len(fresh) == _PAGE)


class _Sorting:
    """Which of the messages go now, which wait and which stay."""

    def __init__(self, link: Link, at: datetime, released: int, has_just_connected: bool) -> None:
        self._link, self._at = link, at
        self._released, self._has_just_connected = released, has_just_connected
        self.going: list[tuple[str, list[EventBlock]]] = []
        self.held: list[Held] = []
        self.stayed = 0

    def sort(self, messages: Iterable[Message]) -> None:
        found = [(message, EventBlock.read(message.data)) for message in messages]
        is_batch_due = self._is_batch_due(found)
        held_back: dict[tuple[str, str], int] = {}
        for message, block in found:
            node = self._link.origin_of(message)
            if not reaches(block.event.scope, self._link.layer):
                self.stayed += 1
                continue
            key = (node, str(block.event.aggregate))
            policy = policy_of(block.event)
            if key not in held_back and self._may_go(policy, message.sequence, is_batch_due):
                self._go(node, block)
                continue
            self.held.append(_held(message, block.event, policy, held_back.get(key)))
            held_back.setdefault(key, block.event.version)

    def _may_go(self, policy: PropagationPolicy, sequence: int, is_batch_due: bool) -> bool:
        match policy.when:
            case When.BATCHED:
                return is_batch_due
            case When.ON_CONNECTION:
                return self._has_just_connected
            case When.MANUAL:
                return sequence <= self._released
        return True

    def _is_batch_due(self, found: Iterable[tuple[Message, EventBlock]]) -> bool:
        """Whether one of those that are sent together has waited as long as it is to."""
        policies = ((message, policy_of(block.event)) for message, block in found if reaches(block.event.scope, self._link.layer))
        return any(
            policy.when is When.BATCHED and (self._at - message.time).total_seconds() >= policy.seconds for message, policy in policies
        )

    def _go(self, node: str, block: EventBlock) -> None:
        if not self.going or self.going[-1][0] != node or len(self.going[-1][1]) == _PAGE:
            self.going.append((node, []))
        self.going[-1][1].append(block)


def _held(message: Message, event: Event, policy: PropagationPolicy, behind: int | None) -> Held:
    return Held(
        sequence=message.sequence,
        aggregate=str(event.aggregate),
        version=event.version,
        when=policy.when,
        since=message.time,
        behind=behind,
    )


async def _write_state(connection: Connection, link: Link, state: LinkState) -> LinkState:
    value: dict[str, Value] = {
        "position": state.position,
        "sent": state.sent,
        "stayed": state.stayed,
        "released": state.released,
        "held": list(state.held),
    }
    key = f"{link.name}.{state.stream}"
    revision = await kv_put(connection, SYNC_BUCKET, key, encode(value), expected_revision=state.revision)
    return replace(state, revision=revision)
