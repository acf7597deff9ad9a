"""This module is an event as code reads it, beside the stored one that its page shows: its payload upcast to the newest schema."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.safestring import SafeString

from apps.persistence.encoding import encode
from apps.persistence.errors import InvalidEvent
from apps.persistence.events import Event
from apps.persistence.store import Store

from .payload import decode_payload
from .tree_html import tree_html


@dataclass(frozen=True, slots=True, kw_only=True)
class AsRead:
    """The newest schema and the payload in it; or the problem because of which it cannot be upcast."""

    schema: int
    tree: SafeString | None = None
    problem: str = ""


def as_read(store: Store, event: Event | None, *, is_full: bool) -> AsRead | None:
    """How a stored event is read; None where it is read as it is stored."""
    if event is None:
        return None
    try:
        newest = store.upcasters.upcast(event)
    except InvalidEvent as error:
        return AsRead(schema=event.schema, problem=str(error))
    if newest is event:
        return None
    payload = decode_payload(encode(newest.payload), {}, is_full=is_full)
    return AsRead(schema=newest.schema, tree=tree_html(payload.tree) if payload.tree else None)
