"""This module is the content store: an object bucket whose files are named by the hash of their bytes.

The chunks of a content lie under its hash too. So the same content has one place, whoever brings it: a writer that was cut off is gone on
with by the next, two writers at a time write it once, and every node that has the bucket or a mirror of it can hand it out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from blake3 import blake3

from ..encoding import Cid, Value, cid_of, decode, encode
from ..errors import CidNotFound, ContentDamaged, InvalidInput, ServerRefused, StreamNotFound
from ..store import Connection, StoredObject, drop_chunks, ensure_object_bucket, find_object, open_writer, read_chunks
from ..store.api_errors import WRONG_LAST_SEQUENCE
from .cids import cid_of_bytes, digest_of

CONTENT_BUCKET = "cim-content"
MAX_CONTENT_BYTES = 64 * 1024 * 1024
_TRIES = 100
_STEP = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentStore:
    """Contents in one bucket of one account. A content is in memory as a whole while it is written or read: at most `max_bytes`."""

    connection: Connection
    bucket: str = CONTENT_BUCKET
    max_bytes: int = MAX_CONTENT_BYTES

    async def prepare(self) -> None:
        """Create the bucket where it is missing. `put` does so too."""
        await ensure_object_bucket(self.connection, self.bucket, description="Content by its CID")

    async def put(self, data: bytes, *, mend: bool = False) -> Cid:
        """Keep plain bytes and return their CID (`bafkr4i…`). What is there already is not written again.

        `mend` reads what is there, and writes it anew where it is not what its name says. Raises InvalidInput above `max_bytes`,
        OutOfSpace, Unavailable; the same call may always be made again.
        """
        await self._put(blake3(data).digest(), data, mend=mend)
        return cid_of_bytes(data)

    async def put_value(self, value: Value, *, mend: bool = False) -> Cid:
        """Keep a value as a block of DAG-CBOR and return its CID (`bafyr4i…`). Raises as `put`, and EncodingError."""
        block = encode(value)
        await self._put(blake3(block).digest(), block, mend=mend)
        return cid_of(block)

    async def get(self, cid: Cid) -> bytes:
        """The content, hashed anew. Raises CidNotFound, ContentDamaged where what is stored is something else, InvalidCid, InvalidInput."""
        digest = digest_of(cid)
        stored = await self._find(digest)
        if stored is None:
            raise CidNotFound(f"No content {cid} is kept in {self.bucket}; check the CID, or put the content there.")
        self._check_size(stored.size)
        data = await self._read(stored)
        if blake3(data).digest() != digest:
            raise ContentDamaged(
                f"What {self.bucket} holds as {cid} is something else ({len(data):,} of {stored.size:,} bytes): it was changed or is not "
                "all there. Fetch the content elsewhere and put it again with mend=True."
            )
        return data

    async def get_value(self, cid: Cid) -> Value:
        """The value of a block. Raises as `get`, and EncodingError for what is not strict DAG-CBOR."""
        return decode(await self.get(cid))

    async def exists(self, cid: Cid) -> bool:
        """Whether there is such a content; it is not read. Raises InvalidCid."""
        return await self._find(digest_of(cid)) is not None

    async def _put(self, digest: bytes, data: bytes, *, mend: bool) -> None:
        self._check_size(len(data))
        stored = await self._find(digest)
        if stored is not None and not mend:
            return
        if stored is None:
            await self.prepare()
        elif await self._read(stored) == data:
            return
        else:
            await drop_chunks(self.connection, self.bucket, digest.hex())
        for _ in range(_TRIES):
            try:
                return await self._write(digest.hex(), data)
            except ServerRefused as error:
                if error.err_code != WRONG_LAST_SEQUENCE:
                    raise
        raise ContentDamaged(f"{len(data):,} bytes could not be kept in {self.bucket}: others kept writing under {digest.hex()}.")

    async def _write(self, name: str, data: bytes) -> None:
        """Go on behind what is there of it. Raises ServerRefused where somebody else wrote at the same time."""
        writer = await open_writer(self.connection, self.bucket, name)
        if writer.size > len(data) or writer.digest != hashlib.sha256(data[: writer.size]).hexdigest():
            await drop_chunks(self.connection, self.bucket, name)
            writer = await open_writer(self.connection, self.bucket, name)
        for start in range(writer.size, len(data), _STEP):
            await writer.write(data[start : start + _STEP])
        await writer.finish(name, {})

    async def _find(self, digest: bytes) -> StoredObject | None:
        try:
            return await find_object(self.connection, self.bucket, digest.hex())
        except StreamNotFound:
            return None

    async def _read(self, stored: StoredObject) -> bytes:
        """The bytes that are there, no more than its record says and one read beyond."""
        data, position = bytearray(), 0
        while len(data) <= stored.size and (messages := await read_chunks(self.connection, stored, after=position)):
            position = messages[-1].sequence
            data += b"".join(message.data for message in messages)
        return bytes(data)

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise InvalidInput(f"A content of {size:,} bytes is too large; {self.bucket} keeps up to {self.max_bytes:,}. Cut it up.")
