"""This module is the links of this node as they stand, what waits on each, who else is gathered here, and where histories disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from blake3 import blake3
from django.conf import settings

from apps.persistence.encoding import Value
from apps.persistence.errors import StreamNotFound
from apps.persistence.events.identity import parse_time
from apps.persistence.store import Store, get_stream, subjects_matching
from apps.persistence.sync import (
    GATHERED_STREAM,
    SYNC_BUCKET,
    Held,
    Link,
    LinkState,
    LinkStatus,
    held_of,
    layout_of,
    list_conflicts,
    read_state,
    read_status,
)
from apps.persistence.work import find_holder
from apps.registry import registry

HELD_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One stream of this node on its way over a link: its own events, or those that it gathered."""

    what: str
    state: LinkState
    lag: int
    held: tuple[Held, ...]

    @property
    def more_held(self) -> int:
        return len(self.state.held) - len(self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A link with its lanes; `status` is None where no worker has begun it, and `worker` empty where none has it in hand."""

    link: Link
    status: LinkStatus | None
    lanes: tuple[Lane, ...]
    worker: str = ""

    @property
    def id(self) -> str:
        return f"link-{self.link.name}"

    @property
    def state(self) -> str:
        if self.status is None or not self.worker:
            return "waiting"
        return "ok" if self.status.is_connected else "bad"

    @property
    def words(self) -> str:
        return {"waiting": "No worker", "ok": "Up", "bad": "Down"}[self.state]

    @property
    def trouble(self) -> str:
        """What is in the way of a link that a worker has in hand."""
        return self.status.trouble if self.status and self.state == "bad" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The whole page. `gathered` is how many events of each other node lie here."""

    node: str
    links: tuple[Connected, ...]
    gathered: Mapping[str, int]
    conflicts: tuple[Mapping[str, Any], ...]

    @property
    def revision(self) -> str:
        """Changes with the parts that there are, not with their figures."""
        parts = [one.id for one in self.links] + sorted(self.gathered) + [str(len(self.conflicts))]
        return blake3(" ".join(parts).encode()).hexdigest(8)


async def read_board(store: Store) -> Board:
    """Everything as it stands. Raises Unavailable."""
    is_kept = await _is_there(store, f"KV_{SYNC_BUCKET}")
    links = [await _connected(store, link, is_kept) for link in registry().links.values()]
    return Board(
        node=settings.CIM_NODE,
        links=tuple(links),
        gathered=await _gathered(store),
        conflicts=tuple(map(_shown, await list_conflicts(store.connection))) if is_kept else (),
    )


async def _connected(store: Store, link: Link, is_kept: bool) -> Connected:
    if not is_kept:
        return Connected(link=link, status=None, lanes=())
    lanes = [
        await _lane(store, link, store, "Events of this node"),
        await _lane(store, link, store.on(layout_of(link.node)), "Gathered from other nodes"),
    ]
    holder = await find_holder(store.connection, f"link.{link.name}")
    status = await read_status(store.connection, link)
    return Connected(link=link, status=status, lanes=tuple(lanes), worker=holder.owner if holder else "")


async def _lane(store: Store, link: Link, source: Store, what: str) -> Lane:
    stream = source.layout.stream
    state = await read_state(store.connection, link, stream)
    last = (await get_stream(store.connection, stream)).last_sequence if await _is_there(store, stream) else 0
    held = await held_of(link, source, state, limit=HELD_SHOWN)
    return Lane(what=what, state=state, lag=max(0, last - state.position), held=tuple(held))


async def _is_there(store: Store, stream: str) -> bool:
    try:
        await get_stream(store.connection, stream)
    except StreamNotFound:
        return False
    return True


async def _gathered(store: Store) -> Mapping[str, int]:
    """Events by node, of up to so many subjects as one answer holds."""
    if not await _is_there(store, GATHERED_STREAM):
        return {}
    counts: Counter[str] = Counter()
    for subject, count in (await subjects_matching(store.connection, GATHERED_STREAM, "cim.gathered.>")).items():
        counts[subject.split(".", 3)[2]] += count
    return dict(sorted(counts.items()))


def _shown(conflict: Mapping[str, Value]) -> Mapping[str, Any]:
    contenders = cast("list[dict[str, Any]]", conflict["contenders"])
    kept = cast("list[Value]", conflict["kept"])
    context, kind, id = str(conflict["aggregate"]).split(".")
    marked = [{**one, "is_kept": one["cid"] in kept, "time": parse_time(one["time"])} for one in contenders]
    rule = {"keep_all": "all count", "first_wins": "the first counts", "last_wins": "the last counts"}[str(conflict["rule"])]
    return {**conflict, "contenders": marked, "context": context, "kind": kind, "entity": id, "rule": rule}
