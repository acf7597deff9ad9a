"""This module is the codec: libipld for speed where it provably agrees with the exact codec, and the exact codec for all else.

Why the fast path can be trusted. libipld treats each value by itself, and differs from the exact encoder in two ways only: it
writes -0.0 as 0.0, and it writes as a link whatever bytes look like a CID to it. So:

* encode hands it only values of the exact types, within the depth, without -0.0, where each Cid is a valid one that it does
  take for a link, and each bytes value is one that it does not. What it then writes is what the exact encoder writes.
* decode accepts only where encoding what libipld read gives the very same bytes. Each bytes value is then a link exactly if
  libipld's encoder writes it as one, which is asked of that encoder and never guessed; links must be valid CIDs as well. So
  the bytes are what the exact encoder writes for the result, whatever libipld's decoder may have misread.

All else (a refusal, a doubt, a panic) goes to the exact codec, which decides alone and gives the reason.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from libipld import decode_dag_cbor, encode_dag_cbor

from ..errors import EncodingError
from .cid import OUR_LENGTH, OUR_PREFIX, Cid, is_cid
from .exact_decoder import decode_exactly
from .exact_encoder import LINK_TAG, encode_exactly
from .value import MAX_DEPTH, Value

_NO_CHECK = frozenset((str, int, bool, type(None)))
_SAFE_RECURSION_LIMIT = 5_000
"""libipld nests as deep as Python's recursion limit allows. Raised to 20,000, hostile bytes overflow the C stack and end the process."""


def encode(value: Value) -> bytes:
    """Write a value as strict DAG-CBOR.

    Raises EncodingError, naming the place, for what it cannot hold: other types and their subclasses, integers beyond 64 bits,
    NaN, infinities, -0.0, keys that are not text, lone surrogates, more than MAX_DEPTH containers inside each other.
    """
    block = _encode_fast(value)
    return encode_exactly(value) if block is None else block


def decode(block: bytes) -> Value:
    """Read a block of strict DAG-CBOR; `encode` of the result gives the same bytes.

    Raises EncodingError, naming byte and place, for any other bytes.
    """
    if type(block) is not bytes:
        raise EncodingError(f"A block is made of bytes, not of {type(block).__name__}; convert it first.")
    accepted = _decode_fast(block)
    return decode_exactly(block) if accepted is None else accepted[0]


class _Doubt(Exception):
    """The fast path cannot decide; the exact codec must."""


def _encode_fast(value: Value) -> bytes | None:
    """The block, or None where the exact encoder must decide."""
    try:
        return encode_dag_cbor(_replace_links(value))
    except BaseException as error:
        reraise_unless_refusal(error)
        return None


def _decode_fast(block: bytes) -> list[Value] | None:
    """The value in a list of one, or None where the exact decoder must decide."""
    if sys.getrecursionlimit() > _SAFE_RECURSION_LIMIT:
        return None
    try:
        holder = [decode_dag_cbor(block)]
        if encode_dag_cbor(holder[0]) != block:
            return None
        _restore_links(holder)
    except BaseException as error:
        reraise_unless_refusal(error)
        return None
    return holder


def reraise_unless_refusal(error: BaseException) -> None:
    """A Rust panic arrives as a BaseException whose class cannot be imported; it counts as a refusal."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error


def _replace_links(value: Value) -> Any:
    """Copy a value with the raw bytes of each Cid in its place; raise _Doubt for what libipld could write differently."""
    holder: list[Any] = [None]
    pending: list[tuple[Any, Any, Any, int]] = [(holder, 0, [value], 0)]
    while pending:
        around, step_around, source, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise _Doubt
        around[step_around] = copy = source.copy()
        for step, item in _steps(source):
            kind = type(item)
            if kind in _NO_CHECK:
                continue
            if kind is dict or kind is list:
                pending.append((copy, step, item, depth + 1))
            else:
                copy[step] = _replace_scalar(item, kind)
    return holder[0][0]


def _steps(container: Any) -> Any:
    if type(container) is list:
        return enumerate(container)
    for key in container:
        if type(key) is not str:
            raise _Doubt
    return container.items()


def _replace_scalar(item: Any, kind: type) -> Any:
    if kind is Cid:
        raw = item.raw
        if type(raw) is bytes and _is_written_as_link(raw) and is_cid(raw):
            return raw
    elif kind is bytes:
        if not _is_written_as_link(item):
            return item
    elif kind is float and (item != 0 or math.copysign(1, item) > 0):
        return item
    raise _Doubt


def _restore_links(holder: list[Any]) -> None:
    """Put a Cid in the place of each link, which libipld reads as bytes; raise _Doubt for one that is no CID, or for depth."""
    level: list[Any] = [holder]
    for _ in range(MAX_DEPTH + 1):
        deeper: list[Any] = []
        for container in level:
            for step, item in container.items() if type(container) is dict else enumerate(container):
                kind = type(item)
                if kind is dict or kind is list:
                    deeper.append(item)
                elif kind is bytes and _is_written_as_link(item):
                    if not is_cid(item):
                        raise _Doubt
                    container[step] = Cid(item)
        if not deeper:
            return
        level = deeper
    raise _Doubt


def _is_written_as_link(raw: bytes) -> bool:
    """Whether libipld's encoder writes these bytes as a link."""
    if len(raw) == OUR_LENGTH and raw.startswith(OUR_PREFIX):
        return True
    return encode_dag_cbor(raw).startswith(LINK_TAG)
