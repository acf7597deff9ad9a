"""This module is the tabs of one event: what each of them shows, read only when it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.utils.safestring import SafeString

from apps.persistence.store import Store, find_redaction
from apps.registry import informed

from .as_read import AsRead, as_read
from .event import ChainLink, EventPage, MissingEvent, headers_of, read_chain, read_event
from .hexdump import HexDump, dump
from .lineage import Lineage, read_lineage
from .payload import Decoded, decode_payload
from .tree import Node
from .tree_html import tree_html

TABS = {"decoded": "Decoded", "raw": "Raw", "headers": "Headers", "chain": "Chain", "lineage": "Causes"}
FIRST_TAB = "decoded"


_READING_ORDER = (
    "payload",
    "metadata",
    "type",
    "version",
    "aggregate",
    "actor",
    "time",
    "schema",
    "scope",
    "id",
    "correlation",
    "causation",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEvent:
    """An event with the content of one tab; the others are None. `missing` is set instead of `page` where there is no event."""

    tab: str
    is_full: bool
    page: EventPage | None = None
    missing: MissingEvent | None = None
    decoded: Decoded | None = None
    tree: SafeString | None = None
    as_read: AsRead | None = None
    dump: HexDump | None = None
    headers: tuple[tuple[str, str], ...] = ()
    chain: tuple[ChainLink, ...] = ()
    lineage: Lineage | None = None

    @property
    def tabs(self) -> tuple[tuple[str, str], ...]:
        """Every tab's name in addresses and its title."""
        return tuple(TABS.items())


async def read_shown(store: Store, name: str, sequence: int, *, tab: str = FIRST_TAB, is_full: bool = False) -> ShownEvent:
    """The event at `sequence` as one tab shows it. Raises StreamNotFound or Unavailable."""
    store = informed(store)
    page = await read_event(store, name, sequence)
    if isinstance(page, MissingEvent):
        return ShownEvent(tab=tab, is_full=is_full, missing=page)
    data, headers = page.message.data, page.message.headers
    decoded = decode_payload(data, headers, is_full=is_full) if tab == "decoded" else None
    return ShownEvent(
        tab=tab,
        is_full=is_full,
        page=page,
        decoded=decoded,
        tree=tree_html(_payload_first(decoded.tree) if page.event else decoded.tree) if decoded and decoded.tree else None,
        as_read=await _as_read(store, page, is_full=is_full) if decoded else None,
        dump=dump(data, is_full=is_full) if tab == "raw" or (decoded and decoded.tree is None and decoded.text is None) else None,
        headers=headers_of(page.message) if tab == "headers" else (),
        chain=await read_chain(store, page) if tab == "chain" else (),
        lineage=await read_lineage(store, page) if tab == "lineage" else None,
    )


async def _as_read(store: Store, page: EventPage, *, is_full: bool) -> AsRead | None:
    """As code reads it; where the payload is closed because its keys were destroyed, that is what is said."""
    read = as_read(store, page.event, is_full=is_full)
    if read is None or not read.is_closed or page.event is None:
        return read
    redaction = await find_redaction(store, page.event.aggregate)
    return replace(read, problem=f"The payload was {redaction.destruction}") if redaction else read


def _payload_first(tree: Node) -> Node:
    """An event's fields as people ask for them; in the block they lie by the length of their names."""
    order = {name: place for place, name in enumerate(_READING_ORDER)}
    return replace(tree, children=tuple(sorted(tree.children, key=lambda child: order.get(child.key or "", len(order)))))
