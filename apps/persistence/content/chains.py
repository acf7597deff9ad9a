"""This module is chains of contents: each link an event that names its content by CID and links to the link before it.

A chain is an aggregate `content.chain.{id}` of the store's layout, so it is appended exactly once, survives restarts, shows in the console
and is verified like every other; its contents lie in the content store. Nothing of either is ever changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..chain import verify_aggregate
from ..encoding import Cid, Value
from ..errors import AggregateNotFound, CidNotFound, ContentDamaged, InvalidCid, InvalidState, VersionConflict
from ..events import AggregateRef, NewEvent
from ..store import Store, append, head_of, load
from .store import ContentStore

CHAIN_CONTEXT, CHAIN_TYPE, ADDED = "content", "chain", "added"
TRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One content of a chain: `cid` names the link itself, `previous` the one before it."""

    cid: Cid
    previous: Cid | None
    content: Cid
    version: int
    metadata: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCheck:
    """What recomputing a chain found; `faults` say what is wrong with a link or a content, in words."""

    links: int
    faults: tuple[str, ...]

    @property
    def is_intact(self) -> bool:
        """Whether every link and every content is what its CID says, and none is missing between them."""
        return not self.faults


async def add_to_chain(
    store: Store, contents: ContentStore, chain_id: str, content: bytes, metadata: Mapping[str, Value] | None = None
) -> Cid:
    """Keep a content, add it to a chain, and return the CID of the new link, which links to the one before it.

    Writers at the same time each get a link of their own. Raises InvalidSubject for an id that cannot be, InvalidInput for a content that
    is too large, and as `append`.
    """
    ref = _ref(chain_id)
    cid = await contents.put(content)
    event = NewEvent(type=ADDED, payload={"content": cid, "size": len(content)}, metadata=dict(metadata or {}))
    for attempt in range(1, TRIES + 1):
        try:
            (stored,) = await append(store, await head_of(store, ref, leader=True), [event])
        except VersionConflict:
            if attempt == TRIES:
                raise
            continue
        return stored.cid
    raise AssertionError("the last try returns or raises")


async def read_chain(store: Store, chain_id: str) -> list[Link]:
    """The links of a chain, the first one first. Raises AggregateNotFound, InvalidState where an event there is no link."""
    events = (await load(store, _ref(chain_id))).events
    if not events:
        raise AggregateNotFound(f"There is no chain {chain_id}; adding a content begins it.")
    found: list[Link] = []
    for stored in events:
        event = stored.event
        content = event.payload.get("content")
        if event.type != ADDED or not isinstance(content, Cid):
            raise InvalidState(f"Version {event.version} of {event.aggregate} is no link of a chain; something else was appended there.")
        found.append(Link(cid=stored.cid, previous=event.previous, content=content, version=event.version, metadata=event.metadata))
    return found


async def verify_chain(store: Store, contents: ContentStore, chain_id: str) -> ChainCheck:
    """Recompute every link and hash every content anew. Raises AggregateNotFound, Unavailable."""
    verdict = await verify_aggregate(store, _ref(chain_id))
    if not verdict.checked and not verdict.findings:
        raise AggregateNotFound(f"There is no chain {chain_id}; adding a content begins it.")
    faults = [finding.explanation for finding in verdict.findings]
    if not faults:
        for link in await read_chain(store, chain_id):
            try:
                await contents.get(link.content)
            except (CidNotFound, ContentDamaged, InvalidCid) as error:
                faults.append(f"Link {link.version}: {error}")
    return ChainCheck(links=verdict.checked, faults=tuple(faults))


def _ref(chain_id: str) -> AggregateRef:
    return AggregateRef(CHAIN_CONTEXT, CHAIN_TYPE, chain_id)
