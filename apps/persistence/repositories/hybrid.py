"""This module is aggregates whose events lie in the stream and whose newest state lies in a bucket beside it, so that reading is one look.

The state in the bucket never decides anything: it is used only if it names the very event that is stored at its version, and the events
after it are folded on. A write of it that is lost costs the next reader a few events, no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from ..encoding import Cid, Value, cid_of, decode, encode
from ..errors import AggregateNotFound, RevisionConflict
from ..events import AggregateRef, Event, NewEvent, State, StoredEvent, fold
from ..store import ensure_bucket, history, kv_get, kv_put
from .aggregates import DELETED, AggregateMetadata, Loaded, LoadOptions, SaveOptions
from .event_sourced import EventSourcedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridRepository:
    """An event-sourced repository with a bucket of newest states. `prepare` makes the bucket."""

    events: EventSourcedRepository
    bucket: str = "aggregate-states"

    async def prepare(self) -> None:
        """Make the bucket if it is not there."""
        await ensure_bucket(self.events.store.connection, self.bucket)

    async def save(self, id: str, events: Sequence[NewEvent], options: SaveOptions | None = None) -> AggregateMetadata:
        """Append the events, then keep the new state. Raises as the repository of events."""
        saved = await self.events.save(id, events, options)
        await self._load_newest(id, keep=True)
        return saved

    async def load(self, id: str, options: LoadOptions | None = None) -> Loaded:
        """The newest state from the bucket and what came after it; any other version as the repository of events gives it."""
        return await (self._load_newest(id) if options in (None, LoadOptions()) else self.events.load(id, options))

    async def exists(self, id: str) -> bool:
        """Whether there is one that was not deleted."""
        return await self.events.exists(id)

    async def delete(self, id: str) -> None:
        """End it by an event; nothing of its history goes."""
        await self.events.delete(id)

    async def history(self, id: str, *, from_version: int = 1, to_version: int | None = None) -> tuple[Event, ...]:
        """The events of these versions, both included, in order."""
        return await self.events.history(id, from_version=from_version, to_version=to_version)

    async def _load_newest(self, id: str, *, keep: bool = False) -> Loaded:
        store, definition = self.events.store, self.events.definition
        ref = AggregateRef(definition.context, definition.type, id)
        key = f"{ref.context}.{ref.type}.{ref.id}"
        entry = await kv_get(store.connection, self.bucket, key)
        state, stored = await self._beginning(ref, entry.value if entry else None)
        fresh = stored[1:] if state is not None else stored
        if not stored:
            raise AggregateNotFound(f"{store.layout.stream} holds no event of {ref}; check its name.")
        last = stored[-1]
        newest = fold(definition, (one.event for one in fresh), onto=state)
        if keep and fresh:
            with suppress(RevisionConflict):  # somebody else has kept a state meanwhile, as new as this or newer
                block = _block(last, definition.schema, newest)
                await kv_put(store.connection, self.bucket, key, block, expected_revision=entry.revision if entry else 0)
        if last.event.type == DELETED and not keep:
            raise AggregateNotFound(f"{ref} was deleted with version {last.event.version}; its history can still be read.")
        metadata = AggregateMetadata(
            id=ref.id,
            type=ref.type,
            version=last.event.version,
            last_modified=last.stored_at,
            subject=last.subject,
            state_cid=cid_of(encode(newest)),
            metadata=last.event.metadata,
        )
        return Loaded(state=newest, metadata=metadata, events_read=len(fresh))

    async def _beginning(self, ref: AggregateRef, block: bytes | None) -> tuple[State | None, list[StoredEvent]]:
        """The kept state with its own event and those after it; or no state and all events."""
        store = self.events.store
        if block is not None:
            kept = cast("dict[str, Value]", decode(block))
            if kept["schema"] == self.events.definition.schema:
                found = (await history(store, ref, from_version=cast(int, kept["version"]))).events
                if found and found[0].cid == cast(Cid, kept["cid"]):
                    return cast(State, kept["state"]), list(found)
        return None, list((await history(store, ref)).events)


def _block(last: StoredEvent, schema: int, state: State) -> bytes:
    return encode({"version": last.event.version, "cid": last.cid, "schema": schema, "state": state})
