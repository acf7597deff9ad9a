"""This module is the CIDs of content: blocks of DAG-CBOR as events have them (`bafyr4i…`), and plain bytes (`bafkr4i…`), by BLAKE3-256."""

from __future__ import annotations

import binascii
from base64 import b32decode

from blake3 import blake3

from ..encoding import Cid
from ..encoding.cid import BLAKE3, DAG_CBOR, split_cid
from ..errors import InvalidCid

RAW = 0x55
_TEXT_LENGTH = 59
_DIGEST_BYTES = 32


def cid_of_bytes(data: bytes) -> Cid:
    """Name plain bytes, whatever they hold."""
    return Cid(bytes([1, RAW, BLAKE3, _DIGEST_BYTES]) + blake3(data).digest())


def parse_cid(text: str) -> Cid:
    """The CID in its canonical text, of plain bytes or of a block. Raises InvalidCid."""
    try:
        cid = Cid(b32decode(text[1:].upper() + "======") if len(text) == _TEXT_LENGTH and text.startswith("b") else b"")
    except (binascii.Error, ValueError):
        cid = Cid(b"")
    if not cid.raw or str(cid) != text:
        raise InvalidCid(f"{text[:80]!r} is no CID of content; it must be {_TEXT_LENGTH} characters of lower-case base32 after a b.")
    digest_of(cid)
    return cid


def digest_of(cid: Cid) -> bytes:
    """The hash in a CID. Raises InvalidCid for one of another kind: such content cannot be checked here."""
    parts = split_cid(cid.raw)
    if parts.codec not in (RAW, DAG_CBOR) or parts.hash != BLAKE3 or len(parts.digest) != _DIGEST_BYTES:
        raise InvalidCid(f"{cid} names content by another codec or hash; only raw bytes and DAG-CBOR by BLAKE3-256 are kept here.")
    return parts.digest
