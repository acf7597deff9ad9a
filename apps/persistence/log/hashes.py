"""This module is the hashes of the tree (RFC 6962, section 2.1): SHA-256, with one first byte for leaves and another for nodes."""

from __future__ import annotations

from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """What the tree holds of a leaf."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """What stands above two neighbours."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: bytes) -> bytes:
    """The root above 1, 2, 4 … hashes that stand one after the other."""
    row = hashes
    while len(row) > HASH_BYTES:
        step = 2 * HASH_BYTES
        row = b"".join([sha256(b"\x01" + row[start : start + step]).digest() for start in range(0, len(row), step)])
    return row
