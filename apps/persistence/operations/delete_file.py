"""This module is deleting a file: an export, a backup, an archive or an upload that nobody needs any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..registry import Registry
from ..store import Store
from ..transfer import delete_file, find_file, get_file
from ..work.choices import files
from ..work.operation import Change, Outcome, Plan, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFile:
    """Deletes a file of the console for good; streams and events are not touched."""

    title: ClassVar[str] = "Delete a file"
    permission: ClassVar[str] = "operations.delete_file"

    file: str = field(metadata={"help": "The file, as the page of files names it.", "choices": files})

    @property
    def target(self) -> str:
        """The file."""
        return f"file/{self.file}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be lost. Raises KeyNotFound."""
        file = await get_file(store.connection, self.file)
        events = "" if file.events is None else f", {file.events:,} events"
        return Plan(
            summary=f"Delete the file {file.name}",
            saw={"SHA-256": file.stored.digest},
            changes=(Change(what=file.name, now=f"{file.kind}, {file.stored.size:,} bytes{events}", after="gone"),),
            notes=("Streams and their events are not touched.",),
            undo="It cannot be undone; download the file before if it may be needed.",
            confirm_with=file.name,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Delete it; a file that is gone already is no error."""
        file = await find_file(store.connection, self.file)
        if file is not None:
            await delete_file(store.connection, file)
        return Outcome(sentence=f"Deleted {self.file}.", figures={"bytes": file.stored.size if file else 0})
