"""This module is purging one key of a bucket: its value and its history go, and whoever watches the bucket is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import KeyNotFound
from ..registry import Registry
from ..store import KvEntry, Outgoing, Store, check_key, get_stream, kv_history, store_message
from ..work.operation import Change, Outcome, Plan, Progress
from .blast import blast_radius
from .protection import Act, check_allowed
from .stream_choices import every_bucket

PURGE_MARK = {"KV-Operation": "PURGE", "Nats-Rollup": "sub"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeKey:
    """Removes a key of a bucket with all its revisions; a mark that it was purged is left."""

    title: ClassVar[str] = "Purge a key"
    permission: ClassVar[str] = "operations.purge_key"

    bucket: str = field(metadata={"help": "The key-value bucket.", "choices": every_bucket})
    key: str = field(metadata={"help": "The key, whole."})

    @property
    def target(self) -> str:
        """One change at a time for each stream."""
        return f"stream/KV_{self.bucket}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What goes. Raises InvalidInput where it may not, KeyNotFound, StreamNotFound."""
        info = await get_stream(store.connection, f"KV_{self.bucket}")
        check_allowed(registry, Act.PURGE, info.name, info)
        found = await self._revisions(store)
        if not found:
            raise KeyNotFound(f"{self.bucket} holds no key {self.key[:80]!r}; check its spelling.")
        newest = found[-1]
        return Plan(
            summary=f"Purge {self.key} of {self.bucket}",
            saw={"newest revision": newest.revision, "revisions": len(found)},
            changes=(
                Change(what="Value", now=f"{len(newest.value):,} bytes, revision {newest.revision:,}", after="gone"),
                Change(what="Revisions kept", now=f"{len(found):,}", after="none, and a mark that it was purged"),
            ),
            counts=((self.key, len(found)),),
            notes=await blast_radius(store.connection, registry, info),
            undo="It cannot be undone; write the value again.",
            confirm_with=self.key,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Replace all revisions by the mark; a second attempt finds only the mark and ends the same."""
        info = await get_stream(store.connection, f"KV_{self.bucket}")
        check_allowed(registry, Act.PURGE, info.name, info)
        gone = len(await self._revisions(store))
        await store_message(store.connection, Outgoing(f"$KV.{self.bucket}.{check_key(self.key)}", b"", PURGE_MARK))
        return Outcome(sentence=f"Purged {self.key} of {self.bucket}, {gone:,} revisions.", figures={"events": gone})

    async def _revisions(self, store: Store) -> list[KvEntry]:
        """All revisions; nothing where the newest says that it is gone."""
        found = await kv_history(store.connection, self.bucket, self.key)
        return found if found and found[-1].operation == "put" else []
