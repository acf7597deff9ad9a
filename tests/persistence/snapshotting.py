"""What the tests of operations on snapshots share: baskets in a context that no other test uses, and the directory that knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from apps.persistence.encoding import Value
from apps.persistence.events import AggregateDefinition, AggregateRef, NewEvent, SnapshotPolicy
from apps.persistence.projections import Orders, ensure_record, run_projection
from apps.persistence.projections.builtin import directory_of
from apps.persistence.registry import Domain, Registry
from apps.persistence.snapshots import SNAPSHOTS_BUCKET, Snapshot, list_snapshots
from apps.persistence.store import Store, append, head_of, kv_put
from apps.persistence.work.operation import RunInterrupted

from .baskets import BASKET, added
from .operating import Noted
from .projecting import new_context


@dataclass(slots=True, kw_only=True)
class Baskets:
    """`registry` declares them, with the policy if there is one."""

    store: Store
    context: str = field(default_factory=new_context)
    policy: SnapshotPolicy | None = None

    @property
    def definition(self) -> AggregateDefinition:
        return replace(BASKET, context=self.context, snapshots=self.policy)

    @property
    def type(self) -> str:
        return f"{self.context}.basket"

    @property
    def registry(self) -> Registry:
        return Registry([Domain(name="shop", title="Shop", aggregates=[self.definition])])

    def ref(self, name: str) -> AggregateRef:
        return AggregateRef(self.context, "basket", name)

    async def fill(self, name: str, count: int) -> None:
        """`count` more events of one basket; the directory follows with `list_them`."""
        await self.append(name, *(added(f"item {number}") for number in range(count)))

    async def append(self, name: str, *events: NewEvent) -> None:
        await append(self.store, await head_of(self.store, self.ref(name), leader=True), list(events))

    async def list_them(self) -> None:
        """Bring the directory of aggregates up to the newest event."""
        definition = directory_of(self.store.layout)
        record = await ensure_record(self.store.connection, definition)
        await run_projection(self.store, definition, record.serving, Orders(until=10**12))

    async def versions(self, name: str) -> list[int]:
        """At which versions there are snapshots, newest first."""
        return [snapshot.version for snapshot in await list_snapshots(self.store, self.ref(name))]

    async def keep(self, snapshot: Snapshot) -> None:
        """Write a snapshot behind the store's back."""
        await kv_put(self.store.connection, SNAPSHOTS_BUCKET, str(snapshot.aggregate), snapshot.to_block())

    async def keep_bytes(self, name: str, data: bytes) -> None:
        await kv_put(self.store.connection, SNAPSHOTS_BUCKET, str(self.ref(name)), data)


@dataclass(slots=True)
class Cut(Noted):
    """A run that loses its worker after so many reports."""

    reports_left: int = 0
    totals: list[tuple[int, int]] = field(default_factory=list)

    async def report(
        self, done: int, total: int, *, checkpoint: Mapping[str, Value] | None = None, sequence: int | None = None, force: bool = False
    ) -> None:
        await Noted.report(self, done, total, checkpoint=checkpoint)
        self.totals.append((done, total))
        self.reports_left -= 1
        if self.reports_left == 0:
            raise RunInterrupted("lost")
