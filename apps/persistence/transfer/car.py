"""This module is CARv1 (https://ipld.io/specs/transport/car/carv1/): a header with roots, then one section for each block.

A section is its length as a varint, the block's CID, and the block. Reading is strict: every length is in its shortest form and within
limits, every block has the hash that its CID says, and the file ends with a section.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ..encoding import Cid, cid_of, decode, encode
from ..encoding.cid import SHA2_256, is_ours, split_cid
from ..errors import EncodingError, InvalidCid, InvalidInput
from .reading import ByteReader

MAX_HEADER = 1024 * 1024
MAX_SECTION = 16 * 1024 * 1024
_LONGEST_VARINT = 9
_IDENTITY = 0
_CONVERT = "convert it, for example with `car get-dag` or `ipfs dag export`"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarBlock:
    """One section: `offset` is where it begins in the file."""

    cid: Cid
    data: bytes
    offset: int


def write_header(roots: Sequence[Cid]) -> bytes:
    """What a file begins with."""
    header = encode({"roots": list(roots), "version": 1})
    return _varint(len(header)) + header


def write_section(cid: Cid, data: bytes) -> bytes:
    """One block."""
    return _varint(len(cid.raw) + len(data)) + cid.raw + data


async def read_header(reader: ByteReader) -> tuple[Cid, ...]:
    """The roots. Raises InvalidInput with the reason for anything that is not CARv1."""
    length = await _read_varint(reader, "the header's length")
    if length is None:
        raise InvalidInput("The file is empty, so it is no CAR file.")
    if not 0 < length <= MAX_HEADER:
        raise InvalidInput(f"The CAR header says that it is {length:,} bytes long; 1 to {MAX_HEADER:,} are possible: this is no CAR file.")
    raw = await reader.read(length)
    if len(raw) < length:
        raise InvalidInput(f"The CAR header is cut off: {len(raw):,} of {length:,} bytes are there.")
    try:
        header = decode(raw)
    except EncodingError as error:
        raise InvalidInput(f"The CAR header is not strict DAG-CBOR, so this is no CAR file: {error}") from error
    if isinstance(header, dict) and header.get("version") == 2:
        raise InvalidInput(f"This is a CARv2 file, and only CARv1 is read; {_CONVERT}.")
    if not isinstance(header, dict) or header.keys() != {"roots", "version"} or header["version"] != 1:
        raise InvalidInput("The CAR header is not {roots, version: 1}, so this is no CARv1 file.")
    roots = header["roots"]
    if not isinstance(roots, list) or not all(type(root) is Cid for root in roots):
        raise InvalidInput("The roots in the CAR header are not a list of CIDs.")
    return tuple(root for root in roots if isinstance(root, Cid))


async def read_section(reader: ByteReader) -> CarBlock | None:
    """The next block, its hash checked, or None at the end. Raises InvalidInput naming the byte at which it is wrong."""
    offset = reader.offset
    where = f"The section at byte {offset:,}"
    length = await _read_varint(reader, "its length", where)
    if length is None:
        return None
    if length == 0:
        raise InvalidInput(f"{where} has the length 0; a section holds a CID and a block. Was the file padded?")
    if length > MAX_SECTION:
        raise InvalidInput(f"{where} says that it is {length:,} bytes long; at most {MAX_SECTION:,} are read.")
    section = await reader.read(length)
    if len(section) < length:
        raise InvalidInput(f"{where} is cut off: {len(section):,} of {length:,} bytes are there. Copy the file again.")
    cid, data = _split(section, where)
    _check_hash(cid, data, where)
    return CarBlock(cid=cid, data=data, offset=offset)


def _split(section: bytes, where: str) -> tuple[Cid, bytes]:
    if is_ours(section[:36]):
        return Cid(section[:36]), section[36:]
    try:
        length = _cid_length(section)
        split_cid(section[:length])
    except (InvalidCid, IndexError) as error:
        raise InvalidInput(f"{where} does not begin with a CID: {error}") from error
    return Cid(section[:length]), section[length:]


def _cid_length(section: bytes) -> int:
    """How many bytes the CID at the start has: 34 of version 0, else four numbers and the digest."""
    if section[:2] == b"\x12\x20":
        return 34
    position, number = 0, 0
    for _ in range(4):
        number, position = _varint_at(section, position)
    return position + number


def _varint_at(data: bytes, position: int) -> tuple[int, int]:
    number = 0
    for count in range(_LONGEST_VARINT):
        byte = data[position + count]
        number |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return number, position + count + 1
    raise InvalidCid(f"a number in it is longer than {_LONGEST_VARINT} bytes.")


def _check_hash(cid: Cid, data: bytes, where: str) -> None:
    if is_ours(cid.raw):
        is_right = cid_of(data) == cid
    else:
        parts = split_cid(cid.raw)
        if parts.hash not in (SHA2_256, _IDENTITY):
            raise InvalidInput(f"{where} has the CID {cid}, whose hash {parts.hash:#x} cannot be checked here; BLAKE3-256 and SHA-256 can.")
        is_right = parts.digest == (data if parts.hash == _IDENTITY else hashlib.sha256(data).digest())
    if not is_right:
        raise InvalidInput(f"{where} holds a block that does not have the hash of its CID {cid}; it was changed or damaged.")


async def _read_varint(reader: ByteReader, what: str, where: str = "The file") -> int | None:
    """An unsigned LEB128 number in its shortest form; None where nothing is left."""
    number = 0
    for count in range(_LONGEST_VARINT):
        byte = await reader.read(1)
        if not byte:
            if count == 0:
                return None
            raise InvalidInput(f"{where} is cut off within {what}. Copy the file again.")
        number |= (byte[0] & 0x7F) << (7 * count)
        if byte[0] < 0x80:
            if byte[0] == 0 and count > 0:
                raise InvalidInput(f"{where} has {what} not in its shortest form.")
            return number
    raise InvalidInput(f"{where} has {what} in more than {_LONGEST_VARINT} bytes; this is no CAR file.")


def _varint(number: int) -> bytes:
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
