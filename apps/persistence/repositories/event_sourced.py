"""This module is aggregates as the fold of their events, in the event stream, with snapshots where they shorten the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..encoding import cid_of, encode
from ..errors import AggregateNotFound, InvalidInput
from ..events import AggregateDefinition, AggregateRef, Event, NewEvent, StoredEvent, fold
from ..snapshots import StateAt, state_at, state_at_time, take
from ..store import Store, append, append_at, head_of, history
from .aggregates import DELETED, AggregateMetadata, Loaded, LoadOptions, SaveOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSourcedRepository:
    """Aggregates of one declared type. `actor` is who its own events are by."""

    store: Store
    definition: AggregateDefinition
    actor: str = "system"

    async def save(self, id: str, events: Sequence[NewEvent], options: SaveOptions | None = None) -> AggregateMetadata:
        """Append the events, all or none, exactly once. Raises VersionConflict, and as `store.append`."""
        chosen = options or SaveOptions()
        ref = self._ref(id)
        marked = [replace(event, metadata={**event.metadata, **chosen.metadata}) for event in events]
        if chosen.expected_version is None:
            stored = await append(self.store, await head_of(self.store, ref), marked)
        else:
            stored = await append_at(self.store, ref, chosen.expected_version, marked)
        if chosen.create_snapshot:
            await take(self.store, self.definition, ref, by=self.actor, version=stored[-1].event.version, use_snapshot=True)
        version = stored[-1].event.version
        found = await state_at(self.store, self.definition, ref, version=version)
        return self._metadata(found, await self._event_at(ref, version))

    async def load(self, id: str, options: LoadOptions | None = None) -> Loaded:
        """The state. Raises AggregateNotFound, NotFound for a version beyond the newest, and as `snapshots.state_at`."""
        chosen = options or LoadOptions()
        ref = self._ref(id)
        if chosen.version is not None and chosen.as_of is not None:
            raise InvalidInput("A version and a time cannot both be asked for; give one of them.")
        if chosen.max_events is not None:
            return await self._load_some(ref, chosen)
        if chosen.as_of is not None:
            found = await state_at_time(self.store, self.definition, ref, chosen.as_of, use_snapshot=chosen.use_snapshot)
        else:
            found = await state_at(self.store, self.definition, ref, version=chosen.version, use_snapshot=chosen.use_snapshot)
        last = await self._event_at(ref, found.version)
        if last.event.type == DELETED and chosen.version is None:
            raise AggregateNotFound(f"{ref} was deleted with version {last.event.version}; its history can still be read.")
        return Loaded(state=found.state, metadata=self._metadata(found, last), events_read=found.events_read)

    async def exists(self, id: str) -> bool:
        """Whether there is one that was not deleted."""
        head = await head_of(self.store, self._ref(id))
        return head.version > 0 and (await self._event_at(head.aggregate, head.version)).event.type != DELETED

    async def delete(self, id: str) -> None:
        """End it by an event; nothing of its history goes."""
        if not await self.exists(id):
            raise AggregateNotFound(f"{self._ref(id)} does not exist, so it cannot be deleted.")
        await append(self.store, await head_of(self.store, self._ref(id)), [NewEvent(type=DELETED, actor=self.actor)])

    async def history(self, id: str, *, from_version: int = 1, to_version: int | None = None) -> tuple[Event, ...]:
        """The events of these versions, both included, in order, upcast."""
        if from_version < 1 or (to_version is not None and to_version < from_version):
            raise InvalidInput(f"There are no versions from {from_version} to {to_version}; versions begin at 1.")
        found = await history(self.store, self._ref(id), from_version=from_version, to_version=to_version)
        return tuple(stored.event for stored in found.events)

    async def _load_some(self, ref: AggregateRef, chosen: LoadOptions) -> Loaded:
        limit = chosen.max_events or 0
        if limit < 1:
            raise InvalidInput(f"{limit} events cannot be folded; max_events is at least 1.")
        newest = await head_of(self.store, ref)
        if newest.version == 0:
            raise AggregateNotFound(f"{self.store.layout.stream} holds no event of {ref}; check its name.")
        wanted = newest.version if chosen.version is None else chosen.version
        found = await history(self.store, ref, to_version=min(wanted, limit))
        state = fold(self.definition, (stored.event for stored in found.events))
        at = StateAt(
            aggregate=ref,
            version=found.head.version,
            head=found.head,
            sequence=found.events[-1].sequence,
            state=state,
            state_cid=cid_of(encode(state)),
            snapshot_version=None,
            events_read=len(found.events),
        )
        return Loaded(
            state=state, metadata=self._metadata(at, found.events[-1]), events_read=at.events_read, is_complete=at.version == wanted
        )

    async def _event_at(self, ref: AggregateRef, version: int) -> StoredEvent:
        return (await history(self.store, ref, from_version=version, to_version=version)).events[0]

    def _metadata(self, found: StateAt, last: StoredEvent) -> AggregateMetadata:
        return AggregateMetadata(
            id=found.aggregate.id,
            type=found.aggregate.type,
            version=found.version,
            last_modified=last.stored_at,
            subject=last.subject,
            state_cid=found.state_cid,
            metadata=last.event.metadata,
        )

    def _ref(self, id: str) -> AggregateRef:
        return AggregateRef(self.definition.context, self.definition.type, id)
