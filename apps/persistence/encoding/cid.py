"""This module is the CID of a block: 36 raw bytes that name it by its hash.

Our profile is CID version 1, codec dag-cbor, BLAKE3-256. Blocks may link to foreign CIDs as well; those keep their bytes.
The format is https://github.com/multiformats/cid, with its numbers from https://github.com/multiformats/multicodec.
"""

from __future__ import annotations

import binascii
from base64 import b32decode
from dataclasses import dataclass

from blake3 import blake3
from libipld import encode_multibase

from ..errors import InvalidCid

DAG_CBOR = 0x71
BLAKE3 = 0x1E
SHA2_256 = 0x12
DAG_PB = 0x70
OUR_PREFIX = bytes([1, DAG_CBOR, BLAKE3, 32])
OUR_LENGTH = 36

_OUR_TEXT_LENGTH = 59
_OUR_TEXT_FORM = "of lower-case base32 beginning with bafyr4i"
_VERSION_0_PREFIX = bytes([SHA2_256, 32])
_VERSION_0_LENGTH = 34
_LONGEST_VARINT = 9
_CHARACTERS_SHOWN = 80


@dataclass(frozen=True, slots=True, order=True)
class Cid:
    """The name of a block. Equal, ordered and hashed by its raw bytes.

    `Cid(raw)` trusts its caller. Use `from_bytes` or `parse` for what comes from outside.
    """

    raw: bytes

    @classmethod
    def from_bytes(cls, raw: bytes) -> Cid:
        """Accept the 36 bytes of a CID of our profile; raise InvalidCid for all else."""
        if type(raw) is not bytes:
            raise InvalidCid(f"A CID is made of bytes, not of {type(raw).__name__}; pass the 36 raw bytes.")
        if not is_ours(raw):
            raise InvalidCid(f"{_show(raw)} is no CID of ours; it must be {OUR_LENGTH} bytes beginning with {OUR_PREFIX.hex()}.")
        return cls(raw)

    @classmethod
    def parse(cls, text: str) -> Cid:
        """Accept the one canonical text of a CID of our profile; raise InvalidCid for all else."""
        cid = cls(_decode_base32(text))
        if not is_ours(cid.raw) or str(cid) != text:
            raise InvalidCid(f"{_shorten(repr(text))} is no CID of ours; it must be {_OUR_TEXT_LENGTH} characters {_OUR_TEXT_FORM}.")
        return cid

    def __str__(self) -> str:
        """The canonical text: lower-case base32, or base58 for version 0."""
        if self.raw[:2] == _VERSION_0_PREFIX:
            return str(encode_multibase("z", self.raw))[1:]
        return str(encode_multibase("b", self.raw))


@dataclass(frozen=True, slots=True, kw_only=True)
class CidParts:
    """What a CID of any kind says about its block."""

    version: int
    codec: int
    hash: int
    digest: bytes


def cid_of(block: bytes) -> Cid:
    """Name a block by its bytes. It does not look whether they are strict DAG-CBOR."""
    return Cid(OUR_PREFIX + blake3(block).digest())


def is_ours(raw: bytes) -> bool:
    return len(raw) == OUR_LENGTH and raw.startswith(OUR_PREFIX)


def split_cid(raw: bytes) -> CidParts:
    """Take a CID of any profile apart; raise InvalidCid where the bytes are not exactly one CID of version 0 or 1."""
    if raw.startswith(_VERSION_0_PREFIX) and len(raw) == _VERSION_0_LENGTH:
        return CidParts(version=0, codec=DAG_PB, hash=SHA2_256, digest=raw[2:])
    if not raw.startswith(b"\x01"):
        raise InvalidCid(f"{_show(raw)} is not a CID; it must begin with version 1, or be 34 bytes of version 0.")
    codec, offset = _read_varint(raw, 1, "codec")
    hash_code, offset = _read_varint(raw, offset, "hash")
    length, offset = _read_varint(raw, offset, "digest length")
    if len(raw) - offset != length:
        raise InvalidCid(f"{_show(raw)} is not a CID; it declares a digest of {length} bytes and has {len(raw) - offset}.")
    return CidParts(version=1, codec=codec, hash=hash_code, digest=raw[offset:])


def is_cid(raw: bytes) -> bool:
    """Whether the bytes are exactly one CID, ours or foreign."""
    if is_ours(raw):
        return True
    try:
        split_cid(raw)
    except InvalidCid:
        return False
    return True


def _read_varint(raw: bytes, start: int, what: str) -> tuple[int, int]:
    """Read an unsigned LEB128 number in its shortest form; give it with the offset behind it."""
    number = 0
    for position, byte in enumerate(raw[start : start + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            if byte == 0 and position > 0:
                raise InvalidCid(f"{_show(raw)} is not a CID; its {what} is not in the shortest form.")
            return number, start + position + 1
    raise InvalidCid(f"{_show(raw)} is not a CID; its {what} is cut off or longer than {_LONGEST_VARINT} bytes.")


def _decode_base32(text: str) -> bytes:
    """Decode without judging; what is not base32 becomes no bytes at all."""
    if not isinstance(text, str) or len(text) != _OUR_TEXT_LENGTH:
        return b""
    try:
        return b32decode(text[1:].upper() + "======")
    except (binascii.Error, ValueError):
        return b""


def _show(raw: bytes) -> str:
    return _shorten(raw.hex()) or "Nothing"


def _shorten(text: str) -> str:
    return text if len(text) <= _CHARACTERS_SHOWN else f"{text[:_CHARACTERS_SHOWN]}…"
