"""This module is what a run could not do: items grouped by reason, counted in full, kept up to a limit, so that they can be retried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import StreamNotFound
from ..store import Connection, kv_get, kv_put
from .run import RUNS_BUCKET

ITEMS_KEPT = 1_000
GROUPS_KEPT = 30
REASON_LETTERS = 300
ITEM_LETTERS = 300
OTHER = "other reasons"
_KEY = "{run_id}.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItem:
    """One thing that failed; `link` is a path in the console, or empty."""

    item: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """All that failed for one reason; `items` are the first of them."""

    reason: str
    count: int
    items: tuple[FailedItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailures:
    """What failed in a run, the most frequent reason first."""

    groups: tuple[FailureGroup, ...] = ()

    @property
    def count(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def items(self) -> tuple[str, ...]:
        """Those that are kept by name."""
        return tuple(failed.item for group in self.groups for failed in group.items)


class Failures:
    """Collects failures while a run goes on. An item counts once, whatever the attempts."""

    def __init__(self, before: RunFailures) -> None:
        self._groups = {group.reason: ({item.item: item.link for item in group.items}, group.count) for group in before.groups}
        self._kept = {item for items, _ in self._groups.values() for item in items}
        self.is_changed = False

    @property
    def count(self) -> int:
        return sum(count for _, count in self._groups.values())

    def add(self, item: str, reason: str, link: str) -> None:
        item, reason = item[:ITEM_LETTERS], reason[:REASON_LETTERS]
        if item in self._kept:
            return
        if reason not in self._groups and len(self._groups) >= GROUPS_KEPT:
            reason = OTHER
        items, count = self._groups.get(reason, ({}, 0))
        if len(self._kept) < ITEMS_KEPT:
            items[item] = link[:ITEM_LETTERS]
            self._kept.add(item)
        self._groups[reason] = (items, count + 1)
        self.is_changed = True

    async def save(self, connection: Connection, run_id: str) -> None:
        """Write them down, if there is anything new."""
        if not self.is_changed:
            return
        groups: list[Value] = [
            {"reason": reason, "count": count, "items": [[item, link] for item, link in items.items()]}
            for reason, (items, count) in self._groups.items()
        ]
        await kv_put(connection, RUNS_BUCKET, _KEY.format(run_id=run_id), encode({"groups": groups}))
        self.is_changed = False


async def read_failures(connection: Connection, run_id: str) -> RunFailures:
    """What failed in a run so far, or in all. Raises Unavailable."""
    try:
        entry = await kv_get(connection, RUNS_BUCKET, _KEY.format(run_id=run_id))
    except StreamNotFound:
        entry = None
    if entry is None:
        return RunFailures()
    fields = cast("dict[str, list[dict[str, Value]]]", decode(entry.value))
    groups = [
        FailureGroup(
            reason=cast(str, group["reason"]),
            count=cast(int, group["count"]),
            items=tuple(FailedItem(item=item, link=link) for item, link in cast("list[list[str]]", group["items"])),
        )
        for group in fields["groups"]
    ]
    return RunFailures(groups=tuple(sorted(groups, key=lambda group: -group.count)))
