"""This module is destroying the keys of one aggregate: its encrypted payloads can then be read by nobody, and its chain stays whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import AggregateNotFound, InvalidInput
from ..events import AggregateRef, Destruction, KeyStore, now
from ..projections import find_beginning, needs_start, placed
from ..projections.builtin.newest_state import drop_newest_states
from ..registry import Registry
from ..snapshots.removal import drop_snapshots
from ..store import Store, find_redaction, head_of, record_redaction
from ..subjects import overlaps
from ..work.operation import Change, Outcome, Plan, Progress, Sample

_OF_STARTS = (
    "The stream begins behind an archive, and read models begin with models of that time, which keep it too: make those anew "
    "(start-models) before the read models are rebuilt."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyKeys:
    """Makes the encrypted payloads of one aggregate unreadable for good, by destroying its keys. No event is touched."""

    title: ClassVar[str] = "Destroy an aggregate's keys"
    permission: ClassVar[str] = "operations.destroy_keys"

    aggregate: str = field(metadata={"help": "The aggregate as context.type.id, such as people.patient.7f3c91e0."})

    @property
    def target(self) -> str:
        """One thing at a time is done to the keys of an aggregate."""
        return f"keys/{self.aggregate}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What nobody could read any more. Raises InvalidInput, AggregateNotFound."""
        ref, keys = AggregateRef.parse(self.aggregate), keys_of(registry)
        head = await head_of(store, ref)
        if head.version == 0:
            raise AggregateNotFound(f"{store.layout.stream} holds no event of {ref}; check its name.")
        before = await find_redaction(store, ref)
        if before is not None:
            raise InvalidInput(f"{ref} was {before.destruction} already; there is nothing left to destroy.")
        check_encrypted(registry, keys, ref)
        readers = projections_reading(registry, ref)
        return Plan(
            summary=f"Destroy the keys of {ref}",
            saw={"keys": list(keys.key_ids(ref))},
            changes=(
                Change(
                    what="Keys", now=", ".join(keys.key_ids(ref)) or "not in this process; the worker looks in its own folder", after="none"
                ),
                Change(what="Encrypted payloads", now="readable with the keys", after="redacted, for everybody"),
                Change(what="Events and their chain", now=f"{head.version:,} events", after="as they are; they verify as before"),
            ),
            counts=((str(ref), head.version),),
            notes=(
                "Payloads that were stored before the type was encrypted stay readable.",
                "Backups of the keys hold these keys still: destroy them there too, or they come back with a restore.",
                *([f"Read models that took something from it keep it until they are rebuilt: {', '.join(readers)}."] if readers else []),
                *([_OF_STARTS] if await _have_starts(store, registry, readers) else []),
                "Its snapshots and its newest state, if any were kept, are removed.",
            ),
            undo="It cannot be undone.",
            confirm_with=str(ref),
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Destroy the keys, remove what was made from the payloads, and record it; done again it ends the same."""
        ref, keys = AggregateRef.parse(self.aggregate), keys_of(registry)
        if not keys.key_ids(ref) and keys.find_destruction(ref) is None:
            raise InvalidInput(f"This worker has no keys of {ref}, so it cannot destroy them; start a worker whose CIM_KEYS holds them.")
        gone = keys.destroy_keys(Destruction(subject=ref, keys=(), at=now(), by=progress.requested_by, reason=progress.reason))
        await drop_snapshots(store, str(ref))
        await drop_newest_states(store.connection, ref)
        await record_redaction(store, gone, run=progress.run_id)
        readers = projections_reading(registry, ref)
        return Outcome(
            sentence=f"Destroyed {len(gone.keys):,} key{'' if len(gone.keys) == 1 else 's'} of {ref}; its encrypted payloads are redacted.",
            figures={"keys": len(gone.keys)},
            samples=tuple(Sample(what=name, note="rebuild it to forget what it took", link=f"/projections/{name}/") for name in readers),
        )


async def _have_starts(store: Store, registry: Registry, readers: Sequence[str]) -> bool:
    """Whether one of these projections begins with models that were made before."""
    definitions = [placed(store.connection, registry.projections[name]) for name in readers]
    return any([needs_start(one) and await find_beginning(store, one) is not None for one in definitions])


def keys_of(registry: Registry) -> KeyStore:
    """The keys of this process. Raises InvalidInput where it has none."""
    keys = registry.upcasters.sealing.keys
    if keys is None:
        raise InvalidInput("This process has no keys; name their folder in CIM_KEYS.")
    return keys


def check_encrypted(registry: Registry, keys: KeyStore, ref: AggregateRef) -> None:
    """Raise InvalidInput for an aggregate that neither is of an encrypted type nor has keys."""
    if not registry.upcasters.sealing.is_for((ref.context, ref.type)) and not keys.key_ids(ref):
        raise InvalidInput(f"{ref.context}.{ref.type} is not encrypted, so {ref} has no keys; a domain declares it with `encryption`.")


def projections_reading(registry: Registry, ref: AggregateRef) -> Sequence[str]:
    """The projections that read payloads of this aggregate, by name."""
    found = [one for one in registry.projections.values() if one.reads_payload and one.target is None]
    layouts = [layout for layout in registry.layouts if layout.is_chained and layout.context in (None, ref.context)]
    own = [layout.all_of(ref) for layout in layouts]
    return sorted(one.name for one in found if any(overlaps(subject, pattern) for subject in one.subjects for pattern in own))
