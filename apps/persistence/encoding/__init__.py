"""This module is the block format: strict DAG-CBOR, and the CID that names a block by the BLAKE3 hash of its bytes.

    block = encode({"type": "item_added", "previous": None})
    cid_of(block)                  # Cid, 36 raw bytes; str(cid) is its text
    decode(block)                  # the same value; EncodingError where the bytes are not strict

`decode` accepts exactly the bytes that `encode` can write, so a block has one spelling and one CID.
"""

from .cid import Cid, cid_of
from .codec import decode, encode
from .describe import CidDescription, describe_cid
from .value import MAX_DEPTH, Value

__all__ = ["MAX_DEPTH", "Cid", "CidDescription", "Value", "cid_of", "decode", "describe_cid", "encode"]
