"""This module is the file of a backup: a CAR whose root says what it is of, then the server's chunks, then what they come to.

    {format, stream, config, state, created, server, durables, at, by, run}      the root
    {number, data}                                                              each chunk
    {chunks, bytes, blake3, manifest}                                           the end

Every block has the hash of its CID, so a changed byte is found and named; the end makes a file that was cut off no backup at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from blake3 import blake3

from ..encoding import Cid, Value, cid_of, decode, encode
from ..errors import EncodingError, InvalidInput
from ..store import ObjectWriter
from .car import CarBlock, read_header, read_section, write_header, write_section
from .exporting import MANIFEST_FORMAT
from .reading import ByteReader

BACKUP_FORMAT = "cim-backup/1"
_NOT_TEXT = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupManifest:
    """Of what a backup is: `config` and `state` as the server said them when it began, `created` when the stream was made.

    `durables` are the durable consumers that were taken along.
    """

    stream: str
    config: Mapping[str, Any]
    state: Mapping[str, Any]
    created: str
    server: str
    durables: tuple[str, ...]
    at: str
    by: str
    run: str

    def to_block(self) -> bytes:
        """The root of the file."""
        fields = {**asdict(self), "durables": list(self.durables)}
        return encode({"format": BACKUP_FORMAT, **cast("dict[str, Value]", fields)})

    @classmethod
    def read(cls, found: Mapping[str, Value]) -> BackupManifest:
        """The manifest in a root. Raises InvalidInput where something lacks or is too much."""
        fields: dict[str, Any] = {name: value for name, value in found.items() if name != "format"}
        try:
            return cls(**{**fields, "durables": tuple(fields["durables"])})
        except (TypeError, KeyError) as error:
            raise InvalidInput(f"The manifest of the backup lacks something or has too much: {error}.") from error

    @property
    def messages(self) -> int:
        """How many the stream held."""
        return int(self.state["messages"])

    @property
    def last_sequence(self) -> int:
        return int(self.state["last_seq"])


class BackupWriter:
    """Writes the file of a backup, chunk by chunk, as they come."""

    def __init__(self, target: ObjectWriter, manifest: BackupManifest) -> None:
        self.bytes = 0
        self._target = target
        self._root = manifest.to_block()
        self._chunks = 0
        self._hash = blake3()

    async def begin(self) -> None:
        """Write the root."""
        cid = cid_of(self._root)
        await self._target.write(write_header([cid]) + write_section(cid, self._root))

    async def add(self, chunk: bytes) -> None:
        """Write the next chunk."""
        self._hash.update(chunk)
        self.bytes += len(chunk)
        await self._write({"number": self._chunks, "data": chunk})
        self._chunks += 1

    async def finish(self) -> str:
        """Write the end; the BLAKE3 of all chunks, in hexadecimal."""
        digest = self._hash.hexdigest()
        await self._write({"chunks": self._chunks, "bytes": self.bytes, "blake3": digest, "manifest": cid_of(self._root)})
        return digest

    async def _write(self, value: dict[str, Value]) -> None:
        block = encode(value)
        await self._target.write(write_section(cid_of(block), block))


class BackupReader:
    """A backup that is read: its manifest, then its chunks, each checked. Made by `open_backup_file`."""

    def __init__(self, reader: ByteReader, manifest: BackupManifest, root: Cid) -> None:
        self.manifest = manifest
        self._reader = reader
        self._root = root

    async def chunks(self) -> AsyncIterator[bytes]:
        """Every chunk in order; the last is followed by the check of the whole. Raises InvalidInput naming what is wrong and where."""
        count, size, digest = 0, 0, blake3()
        while (block := await read_section(self._reader)) is not None:
            found = _read(block)
            if "blake3" in found:
                said: dict[str, Value] = {"chunks": count, "bytes": size, "blake3": digest.hexdigest(), "manifest": self._root}
                await self._check_end(found, said)
                return
            data = found.get("data")
            if found.get("number") != count or not isinstance(data, bytes):
                raise InvalidInput(
                    f"The section at byte {block.offset:,} is not chunk {count:,} of the backup; the file was put together anew."
                )
            count, size = count + 1, size + len(data)
            digest.update(data)
            yield data
        raise InvalidInput(
            f"The backup is cut off after {count:,} chunks, {size:,} bytes: its end is missing. Take another copy of the file."
        )

    async def _check_end(self, found: Mapping[str, Value], said: Mapping[str, Value]) -> None:
        if found != said:
            raise InvalidInput("The end of the backup names other chunks than those in the file; take another copy of it.")
        if await self._reader.peek(1):
            raise InvalidInput(f"Something follows the end of the backup at byte {self._reader.offset:,}; take another copy of the file.")


async def open_backup_file(reader: ByteReader) -> BackupReader:
    """Read what the file says of itself. Raises InvalidInput for a file that is no backup, saying what it is."""
    first = await reader.peek(2)
    if first[:1] in (b"{", b" ", b"\t", b"\r", b"\n") and first[-1] < _NOT_TEXT:
        raise InvalidInput("The file holds text, so it is no backup; where it is an export as JSON Lines, import it instead.")
    try:
        roots = await read_header(reader)
        block = await read_section(reader)
    except InvalidInput as error:
        raise InvalidInput(f"The file is no backup, or its beginning is damaged: {error}") from error
    if block is None:
        raise InvalidInput("The file holds nothing behind its header, so it is no backup.")
    found = _read(block)
    if found.get("format") == MANIFEST_FORMAT:
        raise InvalidInput(f"The file is an export of {found.get('stream')!s}, no backup; import it instead.")
    if found.get("format") != BACKUP_FORMAT or roots != (block.cid,):
        raise InvalidInput(f"The file is a CAR, but no backup: its first block is not of the format {BACKUP_FORMAT}.")
    return BackupReader(reader, BackupManifest.read(found), block.cid)


def _read(block: CarBlock) -> dict[str, Value]:
    try:
        value = decode(block.data)
    except EncodingError as error:
        raise InvalidInput(f"The section at byte {block.offset:,} holds no value of a backup: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"The section at byte {block.offset:,} holds no part of a backup.")
    return value
