"""This module is where events are brought in: a stream that holds chains, there already, declared by a layout, or to be made."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidInput, StreamNotFound
from ..store import CONSOLE, Layout, Store, StreamInfo, get_stream
from ..subjects import check_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The store of the stream; `info` is None while it does not exist."""

    store: Store
    info: StreamInfo | None


async def find_target(there: Store, stream: str, *, root: str = "") -> Target:
    """The stream that is meant. `root` is the subject root of one that no layout declares and that does not exist.

    Raises InvalidInput for a stream that holds no chains, or none that can be told.
    """
    if stream == CONSOLE.stream:
        raise InvalidInput(f"{stream} holds this console's own receipts and work; nothing is brought in there. Choose another stream.")
    info = await find_stream(there, stream)
    declared = there.on_stream(stream)
    if declared is not None:
        if not declared.layout.is_chained:
            raise InvalidInput(f"{stream} holds no chains, so events cannot be brought in there; choose a stream that does.")
        return Target(store=declared, info=info)
    return Target(store=there.on(_layout(stream, info, root)), info=info)


async def find_stream(there: Store, stream: str) -> StreamInfo | None:
    """The stream, or None."""
    try:
        return await get_stream(there.connection, check_token(stream, "the name of a stream"))
    except StreamNotFound:
        return None


def _layout(stream: str, info: StreamInfo | None, root: str) -> Layout:
    if info is None:
        if not root:
            raise InvalidInput(
                f"There is no stream {stream[:80]}, and no layout declares it; give a root for its subjects, such as restored.events."
            )
        for token in root.split("."):
            check_token(token, "a token of root")
        return Layout(stream=stream, root=root)
    subjects = info.subjects
    if len(subjects) != 1 or not subjects[0].endswith(".>") or "*" in subjects[0]:
        raise InvalidInput(f"{stream} takes {', '.join(subjects)}; events are brought in only where all subjects begin with one root.")
    return Layout(stream=stream, root=subjects[0].removesuffix(".>"))
