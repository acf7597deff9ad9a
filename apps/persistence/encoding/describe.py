"""This module is the reading of CIDs that a person pastes: any base, codec and hash, named by the multiformats tables."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidCid
from .cid import Cid, CidParts, is_ours, split_cid

_LONGEST_TEXT = 1_000
_VERSION_0_TEXT_LENGTH = 46


@dataclass(frozen=True, slots=True, kw_only=True)
class CidDescription:
    """What a pasted CID says. A codec or hash without a name in the tables is given as its number, such as 0x1e93f42."""

    cid: Cid
    version: int
    base: str
    codec: str
    hash: str
    digest: bytes
    is_ours: bool


def describe_cid(text: str) -> CidDescription:
    """Describe a CID of any profile. `str(description.cid)` is its canonical text. Raises InvalidCid."""
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or not 0 < len(text) <= _LONGEST_TEXT:
        raise InvalidCid(f"A CID is written in 1 to {_LONGEST_TEXT:,} printable ASCII characters; copy it again.")
    is_version_0 = len(text) == _VERSION_0_TEXT_LENGTH and text.startswith("Qm")
    base, raw = _decode_multibase(f"z{text}" if is_version_0 else text, text)
    parts = split_cid(raw)
    if is_version_0 != (parts.version == 0):
        raise InvalidCid(f"{text[:80]!r} is not a CID; version 0 is written in base58 without a prefix, and only version 0.")
    return _describe(parts, raw, base)


def _describe(parts: CidParts, raw: bytes, base: str) -> CidDescription:
    return CidDescription(
        cid=Cid(raw),
        version=parts.version,
        base=base,
        codec=_find_name(parts.codec),
        hash=_find_name(parts.hash),
        digest=parts.digest,
        is_ours=is_ours(raw),
    )


def _decode_multibase(prefixed: str, text: str) -> tuple[str, bytes]:
    # Imported here because the tables take 0.15 s to load, and only this function needs them.
    from multiformats import multibase

    try:
        base, raw = multibase.decode_raw(prefixed)
    except (KeyError, ValueError) as error:
        raise InvalidCid(f"{text[:80]!r} is not a CID; it does not decode in any known base.") from error
    return base.name, raw


def _find_name(code: int) -> str:
    from multiformats import multicodec

    return multicodec.get(code=code).name if multicodec.exists(code=code) else f"{code:#x}"
