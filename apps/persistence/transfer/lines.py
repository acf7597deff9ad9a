"""This module is events as JSON Lines: one event a line, with where it was stored and its CID, readable by people and by `jq`.

    {"source": {"stream": …, "sequence": …, "subject": …, "stored_at": …}, "cid": "bafyr4i…", "event": {…}}

`event` is the block as DAG-JSON; encoding it again gives the same bytes, which the CID proves. Where that is impossible (the payload has a
map with the key "/", or the bytes are no block) the line has `data` instead, the bytes themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ..encoding import cid_of, decode, encode
from ..errors import EncodingError, InvalidEvent, InvalidInput
from ..events import format_time
from ..store import EventBlock, Message
from .dag_json import NoDagJson, from_json, read_line, to_json, write_line
from .reading import ByteReader

MAX_LINE = 16 * 1024 * 1024


def line_of(message: Message) -> bytes:
    """The line of one stored message."""
    source = {
        "stream": message.stream,
        "sequence": message.sequence,
        "subject": message.subject,
        "stored_at": format_time(message.time),
    }
    return write_line({"source": source, "cid": str(cid_of(message.data)), **_content(message.data)})


async def read_lines(reader: ByteReader) -> AsyncIterator[tuple[str, EventBlock]]:
    """The events of a file, each with where it stands. Raises InvalidInput, naming the line, for whatever is not an event."""
    number = 0
    while line := await reader.line(MAX_LINE):
        number += 1
        if line.strip():
            yield f"line {number:,}", _read(line, f"line {number:,}")


def _content(data: bytes) -> dict[str, Any]:
    try:
        return {"event": to_json(decode(data))}
    except (EncodingError, NoDagJson):
        return {"data": to_json(data)}


def _read(line: bytes, where: str) -> EventBlock:
    try:
        fields = read_line(line)
        if not isinstance(fields, dict) or not isinstance(fields.get("cid"), str) or ("event" in fields) == ("data" in fields):
            raise InvalidEvent('It must be a map with "cid" and either "event" or "data".')
        data = encode(from_json(fields["event"])) if "event" in fields else from_json(fields["data"])
        if not isinstance(data, bytes):
            raise InvalidEvent('Its "data" must be {"/": {"bytes": "base64"}}.')
        found = str(cid_of(data))
        if found != fields["cid"]:
            raise InvalidEvent(f"Its block has the CID {found}, not {fields['cid'][:80]!r}; the event or its CID was changed.")
        return EventBlock.read(data)
    except (EncodingError, InvalidEvent) as error:
        raise InvalidInput(f"The event in {where} cannot be brought in: {error}") from error
