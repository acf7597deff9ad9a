"""This module is one stored message by itself: strict bytes, a whole event, the id that names its content, and the subject it lies under.

A whole stream passes through here, so no Event is made of a block that is plainly one. What the quick look accepts,
`Event.from_block` accepts; whatever it does not accept, `Event.from_block` decides and gives the reason.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from blake3 import blake3
from libipld import encode_multibase

from ..encoding import Cid, cid_of, decode, encode
from ..encoding.cid import OUR_PREFIX, is_ours
from ..encoding.quick import decode_with_one_link
from ..errors import EncodingError, InvalidCid, InvalidEvent
from ..events import Event, Scope
from ..events.block import MAX_VERSION
from ..store import Layout, Message
from ..store.publish import MESSAGE_ID

_FIELD_COUNT = len(Event.__dataclass_fields__)
_SCOPES = frozenset(scope.value for scope in Scope)
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TOKEN = "[A-Za-z0-9_-]{1,128}"
_TIME = r"[1-9]\d{3}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{6}Z"
_TEXTS = re.compile(rf"{_TOKEN}\.{_TOKEN}\.{_TOKEN} {_TOKEN} {_UUID} {_UUID} {_UUID} {_TIME}", re.ASCII)
_ID_LINE = f"{MESSAGE_ID}: ".encode()
_SOME_CID = cid_of(b"")


class Place(NamedTuple):
    """Where an event belongs: its aggregate's name, its version and its type."""

    key: str
    version: int
    type: str

    def __str__(self) -> str:
        return f"{self.key} version {self.version} ({self.type})"


class Seen(NamedTuple):
    """An event that can be read. `subject` is None where it lies under its own subject, and `claimed` is empty where the id names it.

    `previous` and `cid` are raw CIDs, `previous` empty where there is no link. `subject_place` is what the subject says, if it says it.
    """

    place: Place
    sequence: int
    previous: bytes
    cid: bytes
    is_named: bool
    claimed: bytes = b""
    subject: str | None = None
    subject_place: Place | None = None


class Unreadable(NamedTuple):
    """A message that is not an event; `subject_place` is what its subject says that it is, `cid` the raw CID of its bytes."""

    reason: str
    sequence: int
    cid: bytes
    claimed: bytes
    is_named: bool
    subject: str
    subject_place: Place | None


class Examiner:
    """Looks at messages of one layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._root = layout.root

    def examine(self, message: Message) -> Seen | Unreadable:
        """What this message is. It never raises for what a stream may hold."""
        _, subject, sequence, _, raw_headers, data = message
        cid = OUR_PREFIX + blake3(data).digest()
        value = decode_with_one_link(data, "previous") or _decode_links(data)
        place = None if value is None else quick_place(value)
        if value is None or place is None:
            return self._read_slowly(message, cid)
        key, version, event_type = place
        previous = value["previous"] or b""
        if (
            subject == f"{self._root}.{key}.{event_type}.v{version}"
            and _ID_LINE + encode_multibase("b", cid).encode() + b"\r\n" in raw_headers
        ):
            return Seen(place, sequence, previous, cid, True, b"", None, None)
        return self._compare(message, place, previous, cid)

    def _compare(self, message: Message, place: Place, previous: bytes, cid: bytes) -> Seen:
        claimed, is_named = _claim(message, cid)
        is_placed = message.subject == f"{self._root}.{place.key}.{place.type}.v{place.version}"
        subject_place = self._place_of(message.subject)
        return Seen(place, message.sequence, previous, cid, is_named, claimed, None if is_placed else message.subject, subject_place)

    def _read_slowly(self, message: Message, cid: bytes) -> Seen | Unreadable:
        """Have `Event` decide. A version with a link it should not have, or without one, is still an event: the chain will judge it."""
        try:
            event = Event.from_block(message.data)
            previous = event.previous
        except EncodingError as error:
            return self._unreadable(message, str(error), cid)
        except InvalidEvent as error:
            found = _with_another_link(decode(message.data))
            if found is None:
                return self._unreadable(message, str(error), cid)
            event, previous = found
        place = Place(str(event.aggregate), event.version, event.type)
        return self._compare(message, place, previous.raw if previous else b"", cid)

    def _unreadable(self, message: Message, reason: str, cid: bytes) -> Unreadable:
        claimed, is_named = _claim(message, cid)
        return Unreadable(reason, message.sequence, cid, claimed, is_named, message.subject, self._place_of(message.subject))

    def _place_of(self, subject: str) -> Place | None:
        parts = self._layout.parse(subject)
        if parts is None or parts.version is None or parts.event is None:
            return None
        return Place(f"{parts.context}.{parts.aggregate}.{parts.entity}", parts.version, parts.event)


def _decode_links(block: bytes) -> dict[str, Any] | None:
    """The same for a map with more links; None where the link at `previous` is not one of ours."""
    try:
        value: Any = decode(block)
    except EncodingError:
        return None
    if not isinstance(value, dict) or "previous" not in value:
        return None
    previous = value["previous"]
    if type(previous) is Cid and is_ours(previous.raw):
        return value | {"previous": previous.raw}
    return value if previous is None else None


def quick_place(value: dict[str, Any]) -> Place | None:
    """Where the event in `value` (of `decode_with_one_link`) belongs, if it is plainly one that `Event.from_block` accepts."""
    try:
        aggregate, version, event_type = value["aggregate"], value["version"], value["type"]
        identity, time = value["id"], value["time"]
        if len(value) != _FIELD_COUNT or len(aggregate) != 3 or type(version) is not int or not _has_plain_fields(value, version):
            return None
        key = ".".join((aggregate["context"], aggregate["type"], aggregate["id"]))
        causation = identity if value["causation"] is None else value["causation"]
        if not _TEXTS.fullmatch(" ".join((key, event_type, identity, value["correlation"], causation, time))):
            return None
        datetime.fromisoformat(time)
    except (KeyError, TypeError, ValueError):
        return None
    return Place(key, version, event_type)


def _has_plain_fields(value: dict[str, Any], version: int) -> bool:
    schema, actor, scope, previous = value["schema"], value["actor"], value["scope"], value["previous"]
    return (
        1 <= version <= MAX_VERSION
        and (previous is None if version == 1 else type(previous) is bytes)
        and type(schema) is int
        and 1 <= schema <= MAX_VERSION
        and type(actor) is str
        and actor != ""
        and type(scope) is str
        and scope in _SCOPES
        and type(value["payload"]) is dict
        and type(value["metadata"]) is dict
    )


def _with_another_link(value: Any) -> tuple[Event, Cid | None] | None:
    """The event that `value` would be with the link its version needs, and the link it has; None where more than the link is wrong."""
    if not isinstance(value, dict) or "version" not in value or "previous" not in value:
        return None
    previous = value["previous"]
    if previous is not None and not (type(previous) is Cid and is_ours(previous.raw)):
        return None
    try:
        event = Event.from_block(encode(value | {"previous": None if value["version"] == 1 else _SOME_CID}))
    except (EncodingError, InvalidEvent):
        return None
    return event, previous


def _claim(message: Message, cid: bytes) -> tuple[bytes, bool]:
    """The CID in the message's id where it names other content, and whether the id is a CID of ours at all."""
    text = message.headers.get(MESSAGE_ID, "")
    try:
        claimed = Cid.parse(text).raw
    except InvalidCid:
        return b"", False
    return (b"" if claimed == cid else claimed), True
