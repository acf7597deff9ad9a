"""This module is the opening event: with it an aggregate begins in a generation of its stream from which earlier events were archived.

It stands for all of them: its payload is the state that they were folded to, and folding takes that state as it is. `schema` is that of
the state, so an upcaster of the event type `opened-from-archive` reads an older state as a newer one. What it stands for is in its
metadata, which is readable where the payload is sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ..encoding import Cid, Value
from ..errors import InvalidEvent
from .block import Event

OPENING = "opened-from-archive"
"""The event type; no domain declares it."""
STATE, ARCHIVE = "state", "archive"
_KINDS = {"version": int, "total": int, "head": Cid, "stream": str, "root": Cid, "file": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What an opening event stands for: the events up to `version` in `stream`, of which the last has the CID `head`, and where they lie.

    `total` is the version that the last of them has if versions are counted through all generations. `root` is that of the archive, which
    names `head` too; `file` is what its file was called when it was written.
    """

    version: int
    total: int
    head: Cid
    stream: str
    root: Cid
    file: str

    def to_metadata(self) -> dict[str, Value]:
        """The metadata of the event that say this."""
        said: dict[str, Value] = {
            "version": self.version,
            "total": self.total,
            "head": self.head,
            "stream": self.stream,
            "root": self.root,
            "file": self.file,
        }
        return {ARCHIVE: said}

    def __str__(self) -> str:
        return f"opened from the archive at version {self.version:,}"


def is_opening(event: Event) -> bool:
    """Whether an aggregate begins with this event where earlier ones were archived."""
    return event.version == 1 and event.type == OPENING


def read_opening(event: Event) -> Opening:
    """What an opening event stands for. Raises InvalidEvent where it does not say so."""
    said = event.metadata.get(ARCHIVE)
    if not isinstance(said, dict) or any(type(said.get(name)) is not kind for name, kind in _KINDS.items()):
        raise InvalidEvent(f"The first event of {event.aggregate} opens it from an archive, and does not rightly say from which.")
    return Opening(
        version=cast(int, said["version"]),
        total=cast(int, said["total"]),
        head=cast(Cid, said["head"]),
        stream=cast(str, said["stream"]),
        root=cast(Cid, said["root"]),
        file=cast(str, said["file"]),
    )


def opened_state(event: Event) -> dict[str, Value]:
    """The state that an opening event holds. Raises InvalidEvent where it holds none."""
    state = event.payload.get(STATE)
    if not isinstance(state, dict):
        raise InvalidEvent(f"The first event of {event.aggregate} opens it from an archive, and holds no state.")
    return state
