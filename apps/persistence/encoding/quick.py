"""This module is the quickest strict reading of a map that holds one link at most: what whole streams are verified with.

libipld decodes and encodes again, and the bytes must be the same, as in `codec`. Two things that `codec` then looks up value by value are
told by the bytes alone: a block in which the tag of links occurs once holds no other link, and one with few bytes that could open a list
or map is not nested too deeply. Where the bytes do not tell, nothing is decided.
"""

from __future__ import annotations

from typing import Any

from libipld import decode_dag_cbor, encode_dag_cbor

from .cid import is_ours
from .codec import reraise_unless_refusal
from .exact_encoder import LINK_TAG
from .value import MAX_DEPTH

_OPENS_NOTHING = bytes(byte for byte in range(256) if not 0x80 <= byte <= 0xBF)
"""CBOR's heads of lists and maps are the bytes 0x80 to 0xbf."""


def decode_with_one_link(block: bytes, key: str) -> dict[str, Any] | None:
    """The map in `block`, whose only link, if there is one, is at `key`, and there as the raw bytes of a CID of ours.

    It holds what `decode` gives, that link aside; no other bytes stand at `key`. None where `decode` must decide, which is no sign of
    anything wrong.
    """
    if len(block.translate(None, _OPENS_NOTHING)) > MAX_DEPTH:
        return None
    try:
        value = decode_dag_cbor(block)
        if encode_dag_cbor(value) != block or type(value) is not dict:
            return None
    except BaseException as error:
        reraise_unless_refusal(error)
        return None
    link = value.get(key)
    if type(link) is not bytes:
        return None if LINK_TAG in block else value
    return value if is_ours(link) and block.count(LINK_TAG) == 1 else None
