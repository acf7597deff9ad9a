"""This module is which consumers operators may change: those of streams that are not protected, and none that the console runs on."""

from __future__ import annotations

from ..errors import InvalidInput
from ..registry import Registry
from ..store import CONSOLE, Connection, ConsumerInfo, StreamInfo, check_consumer_name, find_consumer, find_layout, get_stream
from .protection import HOW_TO_ALLOW, OWN_PREFIXES, why_protected

OWN_NAMES = "cim-"
_NO_STREAM = frozenset(" \t\r\n.*>/\\")


def why_no_consumer(registry: Registry, stream: str, consumer: str = "") -> str:
    """Why no consumer of the stream may be made or changed, or not this one, as a sentence; empty where it may."""
    if not registry.stream_changes.are_allowed:
        return HOW_TO_ALLOW
    layout = find_layout(registry.layouts, stream)
    holds_events = layout is not None and layout.name != CONSOLE.stream
    if stream.startswith(OWN_PREFIXES) and not holds_events:
        return f"{stream} is the console's own, and no operation changes its consumers."
    if consumer.startswith(OWN_NAMES):
        return f"{consumer} is the console's own: a projection or the workers run on it. Use the page of the projection instead."
    return why_protected(registry, stream)


async def find_changeable(connection: Connection, registry: Registry, stream: str, consumer: str) -> tuple[StreamInfo, ConsumerInfo]:
    """The stream and its consumer. Raises InvalidInput where there is none of that name or it may not be changed, StreamNotFound."""
    info, found = await find_allowed(connection, registry, stream, consumer)
    if found is None:
        raise InvalidInput(
            f"consumer is {consumer[:80]!r}, and {stream} has none of that name; look at the consumers on the stream's page."
        )
    return info, found


async def find_allowed(connection: Connection, registry: Registry, stream: str, consumer: str) -> tuple[StreamInfo, ConsumerInfo | None]:
    """The same, with None where there is no such consumer."""
    if not stream or _NO_STREAM & set(stream):
        raise InvalidInput(f"stream is {stream[:60]!r}, which is no stream's name; choose one of the list.")
    check_consumer_name(consumer)
    if reason := why_no_consumer(registry, stream, consumer):
        raise InvalidInput(reason)
    return await get_stream(connection, stream), await find_consumer(connection, stream, consumer)
