"""This module is the events in a file, whatever its format, each read strictly; the first bytes tell which it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

from ..encoding import Value, decode
from ..errors import EncodingError, InvalidEvent, InvalidInput
from ..store import BLOCKS_AT_ONCE, EventBlock
from ..store.turns import Turns
from .archive_file import ARCHIVE_FORMAT
from .backup_file import BACKUP_FORMAT
from .car import CarBlock, read_header, read_section
from .evidence import EVIDENCE_FORMATS
from .exporting import MANIFEST_FORMAT, Format
from .lines import read_lines
from .reading import ByteReader

_NO_ASCII = 0x80

Incoming = tuple[str, EventBlock]
"""Where an event stands in its file, and the event."""


async def read_batches(reader: ByteReader) -> AsyncIterator[list[Incoming]]:
    """The events of a file by the hundred. Raises InvalidInput naming the place at which it cannot be read."""
    batch: list[Incoming] = []
    turns = Turns()
    events = read_lines(reader) if await format_of(reader) is Format.JSON_LINES else _read_blocks(reader)
    async for event in events:
        batch.append(event)
        await turns.give_way()  # a file that is in memory is read without a pause; the worker must say that it is alive
        if len(batch) == BLOCKS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


async def format_of(reader: ByteReader) -> Format:
    """What the first two bytes say. Nothing is taken from the reader. Raises InvalidInput for an empty file.

    JSON begins with a brace or a space, and text follows; the map of a CAR header begins with a byte that no text has there.
    """
    first = await reader.peek(2)
    if not first:
        raise InvalidInput("The file is empty.")
    return Format.JSON_LINES if first[:1] in b"{ \t\r\n" and first[-1] < _NO_ASCII else Format.CAR


async def _read_blocks(reader: ByteReader) -> AsyncIterator[Incoming]:
    roots: tuple[Value, ...] = await read_header(reader)
    beside: Collection[Value] = ()
    while (block := await read_section(reader)) is not None:
        where = f"the section at byte {block.offset:,}"
        if block.cid in beside:
            continue
        said = _said_of_itself(block) if block.cid in roots else {}
        if said.get("format") == BACKUP_FORMAT:
            raise InvalidInput("The file is the backup of a stream; it is restored, not imported.")
        if str(said.get("format", "")).startswith(EVIDENCE_FORMATS):
            raise InvalidInput("The file is evidence; its verifier checks it, and it is not imported.")
        if said.get("format") in (MANIFEST_FORMAT, ARCHIVE_FORMAT):
            heads = said.get("heads")
            beside = heads if isinstance(heads, list) else ()
            continue
        try:
            event = EventBlock.read(block.data)
        except (EncodingError, InvalidEvent) as error:
            raise InvalidInput(f"The block in {where}, {block.cid}, is no event: {error}") from error
        if event.cid != block.cid:
            raise InvalidInput(f"The event in {where} is named {block.cid}; here its name would be {event.cid}.")
        yield where, event


def _said_of_itself(block: CarBlock) -> dict[str, Value]:
    """What the root of a CAR says; nothing where it is an event or something else."""
    try:
        value = decode(block.data)
    except EncodingError:
        return {}
    return value if isinstance(value, dict) else {}
