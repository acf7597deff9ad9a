"""This module is an event as code reads it, beside the stored one that its page shows: its payload opened and in the newest schema."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.safestring import SafeString

from apps.persistence.encoding import encode
from apps.persistence.errors import InvalidEvent, PayloadUnreadable
from apps.persistence.events import Event, Sealed, sealed_in
from apps.persistence.store import Store

from .payload import decode_payload
from .tree_html import tree_html


@dataclass(frozen=True, slots=True, kw_only=True)
class AsRead:
    """The newest schema and the payload in it; or the problem because of which it cannot be read. `sealed` is how it is encrypted.

    `is_closed`: the event is as it should be, and only its payload cannot be opened here, or by nobody any more.
    """

    schema: int
    tree: SafeString | None = None
    problem: str = ""
    sealed: Sealed | None = None
    is_closed: bool = False
    is_upcast: bool = True


def as_read(store: Store, event: Event | None, *, is_full: bool) -> AsRead | None:
    """How a stored event is read; None where it is read as it is stored."""
    if event is None:
        return None
    sealed = sealed_in(event)
    try:
        newest = store.upcasters.upcast(event)
    except PayloadUnreadable as error:
        return AsRead(schema=event.schema, problem=str(error), sealed=sealed, is_closed=True)
    except InvalidEvent as error:
        return AsRead(schema=event.schema, problem=str(error), sealed=sealed)
    if newest is event:
        return _ahead(store, event)
    payload = decode_payload(encode(newest.payload), {}, is_full=is_full)
    tree = tree_html(payload.tree) if payload.tree else None
    return AsRead(schema=newest.schema, tree=tree, sealed=sealed, is_upcast=newest.schema != event.schema)


def _ahead(store: Store, event: Event) -> AsRead | None:
    """What is said of an event in a schema that was declared after this code was written."""
    ref = event.aggregate
    known = store.upcasters.newest((ref.context, ref.type, event.type))
    if known is None or event.schema <= known:
        return None
    words = f"Schema {event.schema} is newer than this console's code, which ends at schema {known}; it is shown as it is stored."
    return AsRead(schema=event.schema, problem=f"{words} Update the domain's package.", is_upcast=False)
