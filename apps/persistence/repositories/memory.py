"""This module is repositories in memory, for unit tests of programs that use the others: the same behaviour, held to by the same tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from ..encoding import Cid, Value, cid_of, decode, encode
from ..errors import AggregateNotFound, InvalidInput, NotFound, RevisionConflict, VersionConflict
from ..events import AggregateDefinition, AggregateRef, Event, NewEvent, fold, new_id, now
from ..events.diff import diff_states
from ..subjects import check_token
from .aggregates import DELETED, AggregateMetadata, Loaded, LoadOptions, SaveOptions
from .simple import PLAIN, Codec, Revision, Saved

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class MemoryRepository(Generic[T]):
    """Whole objects, as `KvRepository` keeps them; values are encoded, so what a bucket would refuse is refused here."""

    type: str = "Unknown"
    history: int = 10
    codec: Codec[Any] = PLAIN
    kept: dict[str, list[tuple[int, datetime, bytes | None]]] = field(default_factory=dict)
    counter: list[int] = field(default_factory=lambda: [0])

    async def save(self, id: str, value: T, *, expected_version: int | None = None) -> Saved:
        """Store the object. Raises RevisionConflict, EncodingError."""
        data = encode(self.codec.to_value(value))
        current = self.kept.get(check_token(id, "an id"), [(0, now(), None)])[-1][0]
        if expected_version is not None and expected_version != current:
            raise RevisionConflict(f"{self.type}.{id}", expected=expected_version)
        version = self._write(id, data)
        return Saved(id=id, type=self.type, version=version, last_modified=now(), subject=f"domain.{self.type}.state.v1")

    async def load(self, id: str) -> T | None:
        """The object, or None."""
        data = self.kept[id][-1][2] if id in self.kept else None
        return None if data is None else self._value(data)

    async def exists(self, id: str) -> bool:
        """Whether there is one."""
        return await self.load(id) is not None

    async def delete(self, id: str) -> None:
        """Mark it as deleted."""
        self._write(id, None)

    async def ids(self) -> list[str]:
        """The ids of all objects, sorted."""
        return sorted(id for id, kept in self.kept.items() if kept[-1][2] is not None)

    async def revisions(self, id: str) -> list[Revision[T]]:
        """The revisions that are kept, oldest first."""
        found: list[Revision[T]] = []
        before: Any = {}
        for version, time, data in self.kept.get(id, []):
            after: Any = {} if data is None else decode(data)
            changes = tuple(diff_states(before, after)) if found else ()
            found.append(Revision(version=version, time=time, value=None if data is None else self._value(data), changes=changes))
            before = after
        return found

    def _write(self, id: str, data: bytes | None) -> int:
        self.counter[0] += 1
        self.kept[id] = [*self.kept.get(id, []), (self.counter[0], now(), data)][-self.history :]
        return self.counter[0]

    def _value(self, data: bytes) -> T:
        value: T = self.codec.from_value(decode(data))  # type: ignore[arg-type]
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAggregateRepository:
    """Aggregates of one type with a real chain, as `EventSourcedRepository` keeps them; snapshots are never needed."""

    definition: AggregateDefinition
    actor: str = "system"
    kept: dict[str, list[tuple[Event, Cid, datetime]]] = field(default_factory=dict)

    async def save(self, id: str, events: Sequence[NewEvent], options: SaveOptions | None = None) -> AggregateMetadata:
        """Append the events, all or none. Raises VersionConflict, InvalidEvent."""
        chosen = options or SaveOptions()
        ref, kept = self._ref(id), self.kept.get(id, [])
        if not events:
            raise InvalidInput("0 events cannot be appended at once; 1 to 1,000 can.")
        if chosen.expected_version is not None and chosen.expected_version != len(kept):
            raise VersionConflict(ref, expected=chosen.expected_version, actual=len(kept))
        grown = list(kept)
        for new in events:
            event = _event(replace(new, metadata={**new.metadata, **chosen.metadata}), ref, grown)
            grown.append((event, cid_of(event.to_block()), now()))
        self.kept[id] = grown
        return (await self._state(id, len(grown))).metadata

    async def load(self, id: str, options: LoadOptions | None = None) -> Loaded:
        """The state. Raises AggregateNotFound, NotFound."""
        chosen = options or LoadOptions()
        kept = self.kept.get(id, [])
        if chosen.version is not None and chosen.as_of is not None:
            raise InvalidInput("A version and a time cannot both be asked for; give one of them.")
        if not kept:
            raise AggregateNotFound(f"There is no {self._ref(id)}; check its name.")
        wanted = len(kept) if chosen.version is None else chosen.version
        if chosen.as_of is not None:
            wanted = sum(stored_at <= chosen.as_of for _, _, stored_at in kept)
        if wanted > len(kept):
            raise NotFound(f"{self._ref(id)} is at version {len(kept)}; there is no version {wanted} yet.")
        if chosen.version is None and chosen.as_of is None and kept[-1][0].type == DELETED:
            raise AggregateNotFound(f"{self._ref(id)} was deleted with version {len(kept)}; its history can still be read.")
        if chosen.max_events is not None and chosen.max_events < 1:
            raise InvalidInput(f"{chosen.max_events} events cannot be folded; max_events is at least 1.")
        reached = wanted if chosen.max_events is None else min(wanted, chosen.max_events)
        return replace(await self._state(id, reached), is_complete=reached == wanted)

    async def exists(self, id: str) -> bool:
        """Whether there is one that was not deleted."""
        return bool(self.kept.get(id)) and self.kept[id][-1][0].type != DELETED

    async def delete(self, id: str) -> None:
        """End it by an event; nothing of its history goes."""
        if not await self.exists(id):
            raise AggregateNotFound(f"{self._ref(id)} does not exist, so it cannot be deleted.")
        await self.save(id, [NewEvent(type=DELETED, actor=self.actor)])

    async def history(self, id: str, *, from_version: int = 1, to_version: int | None = None) -> tuple[Event, ...]:
        """The events of these versions, both included, in order."""
        if from_version < 1 or (to_version is not None and to_version < from_version):
            raise InvalidInput(f"There are no versions from {from_version} to {to_version}; versions begin at 1.")
        return tuple(event for event, _, _ in self.kept.get(id, [])[from_version - 1 : to_version])

    async def _state(self, id: str, version: int) -> Loaded:
        kept = self.kept[id][:version]
        state = fold(self.definition, (event for event, _, _ in kept))
        event, _, stored_at = kept[-1]
        metadata = AggregateMetadata(
            id=id,
            type=self.definition.type,
            version=version,
            last_modified=stored_at,
            subject=f"cim.events.{event.aggregate}.{event.type}.v{version}",
            state_cid=cid_of(encode(state)),
            metadata=event.metadata,
        )
        return Loaded(state=state, metadata=metadata, events_read=len(kept))

    def _ref(self, id: str) -> AggregateRef:
        return AggregateRef(self.definition.context, self.definition.type, id)


def _event(new: NewEvent, ref: AggregateRef, before: Sequence[tuple[Event, Cid, datetime]]) -> Event:
    id = new.id or new_id()
    payload: dict[str, Value] = dict(new.payload)
    return Event(
        aggregate=ref,
        version=len(before) + 1,
        type=new.type,
        schema=new.schema,
        id=id,
        time=new.time or now(),
        actor=new.actor,
        correlation=new.correlation or id,
        causation=new.causation,
        scope=new.scope,
        previous=before[-1][1] if before else None,
        payload=payload,
        metadata=dict(new.metadata),
    )
