"""This module is the check before anything is stored: each event fits where it is to go and links to the version before it.

What is there already must be the same event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..encoding import Cid, cid_of
from ..errors import BlockConflict, InvalidInput
from ..events import AggregateRef
from ..store import Appended, EventBlock, Message, Store, stored_versions, without
from .incoming import Incoming

_HEADER_ROOM = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tip:
    """The newest version of an aggregate that the file has shown."""

    version: int
    cid: Cid


class Admission:
    """Checks the events of one file against a stream, batch by batch; remembers one version for each aggregate."""

    def __init__(self, target: Store, *, is_new: bool = False) -> None:
        """`is_new`: the stream does not exist yet, so nothing is there."""
        self.target = target
        self._is_new = is_new
        self._tips: dict[AggregateRef, _Tip] = {}

    @property
    def aggregates(self) -> int:
        """How many aggregates were met."""
        return len(self._tips)

    async def check(self, batch: Sequence[Incoming]) -> Appended:
        """How many would be stored, and how many are there already. Raises InvalidInput naming the event that does not fit."""
        begins = [event for event in self._begins(batch) if event.event.version > 1]
        versions = [(event.event.aggregate, event.event.version) for _, event in batch]
        anchors = [(event.event.aggregate, event.event.version - 1) for event in begins]
        there = {} if self._is_new else await stored_versions(self.target, [*versions, *anchors])
        for where, event in batch:
            self._check_place(where, event)
            self._check_link(where, event, there)
        blocks = [event for _, event in batch]
        try:
            missing = without(blocks, there)
        except BlockConflict as conflict:
            raise InvalidInput(f"Nothing was stored: {conflict}") from conflict
        return Appended(stored=len(missing), already=len(blocks) - len(missing))

    def _begins(self, batch: Sequence[Incoming]) -> list[EventBlock]:
        """The first event of each aggregate that was not met before."""
        met: dict[AggregateRef, EventBlock] = {}
        for _, event in batch:
            if event.event.aggregate not in self._tips:
                met.setdefault(event.event.aggregate, event)
        return list(met.values())

    def _check_place(self, where: str, event: EventBlock) -> None:
        limit = self.target.connection.server.max_payload - _HEADER_ROOM
        if len(event.data) > limit:
            raise InvalidInput(f"The event in {where} has {len(event.data):,} bytes, the server takes {limit:,}; raise its max_payload.")
        self.target.layout.subject(event.event)

    def _check_link(self, where: str, block: EventBlock, there: dict[tuple[AggregateRef, int], Message]) -> None:
        event = block.event
        tip = self._tips.get(event.aggregate)
        self._tips[event.aggregate] = _Tip(version=event.version, cid=block.cid)
        if tip is not None and tip.version != event.version - 1:
            raise InvalidInput(
                f"{event.aggregate} has version {event.version} in {where} behind version {tip.version}; versions must follow each other."
            )
        if event.version == 1:
            return
        anchor = there.get((event.aggregate, event.version - 1))
        before = tip.cid if tip is not None else cid_of(anchor.data) if anchor is not None else None
        if before is None:
            raise InvalidInput(
                f"{event.aggregate} begins with version {event.version} in {where}, and {self.target.layout.stream} does not hold version "
                f"{event.version - 1}; bring in the earlier events first, or export the whole aggregate."
            )
        if before != event.previous:
            raise InvalidInput(
                f"{event.aggregate} version {event.version} in {where} links to {event.previous}, but the version before it is {before}."
            )
