"""This module is the leaves of a stream's log: 44 bytes for every sequence from 1 on, also for one that holds nothing.

    8 bytes     the stream sequence, big endian
    36 bytes    the CID of the stored bytes (CIDv1, dag-cbor, BLAKE3-256); 36 zero bytes where the sequence holds nothing

A CID begins with 01, so no event looks like a missing one. The CID is that of the bytes as they lie in the stream, whatever they are: bytes
that are no event have their place in the log as well. The leaf of sequence n has the index n − 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..encoding import Cid
from ..encoding.cid import OUR_LENGTH
from ..errors import InvalidInput

SEQUENCE_BYTES = 8
LEAF_BYTES = SEQUENCE_BYTES + OUR_LENGTH
MISSING = bytes(OUR_LENGTH)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What the log says of one sequence; `cid` is None where the sequence held nothing when it was logged."""

    sequence: int
    cid: Cid | None

    @property
    def raw(self) -> bytes:
        return leaf_bytes(self.sequence, self.cid)


def leaf_bytes(sequence: int, cid: Cid | None) -> bytes:
    """The 44 bytes of one sequence."""
    return sequence.to_bytes(SEQUENCE_BYTES, "big") + (cid.raw if cid is not None else MISSING)


def parse_leaf(raw: bytes) -> Leaf:
    """The leaf that 44 bytes are. Raises InvalidInput, InvalidCid."""
    if len(raw) != LEAF_BYTES:
        raise InvalidInput(f"A leaf has {LEAF_BYTES} bytes, this one has {len(raw):,}; fetch the tile again.")
    sequence = int.from_bytes(raw[:SEQUENCE_BYTES], "big")
    name = raw[SEQUENCE_BYTES:]
    return Leaf(sequence, None if name == MISSING else Cid.from_bytes(name))
