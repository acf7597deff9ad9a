"""This module is checking proofs: that a tree holds a leaf, and that a tree begins with an older one (RFC 9162, 2.1.3.2 and 2.1.4.2).

Nothing is believed of a proof: its length must be exactly the one that the sizes ask for, and every hash has 32 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidProof
from .hashes import HASH_BYTES, node_hash

MAX_SIZE = 2**63 - 1


def check_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise InvalidProof unless `proof` leads from the leaf's hash at `index` to the root of a tree of `size` leaves."""
    _check_hashes([leaf, root, *proof])
    if not 0 <= index < size <= MAX_SIZE:
        raise InvalidProof(f"A log of {size:,} leaves has none at index {index:,}; correct the one or the other.")
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise InvalidProof(_length(len(proof), f"leaf {index:,} of {size:,}"))
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise InvalidProof(_length(len(proof), f"leaf {index:,} of {size:,}"))
    if found != root:
        raise InvalidProof(
            f"The proof of leaf {index:,} leads to the root {found.hex()}, not to {root.hex()}; the log does not hold it there."
        )


def check_consistency(*, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise InvalidProof unless `proof` shows that the tree of `new_size` leaves begins with the one of `old_size`."""
    if not 0 < old_size <= new_size <= MAX_SIZE:
        raise InvalidProof(f"A log of {new_size:,} leaves cannot be shown to extend one of {old_size:,}; the older one has from 1 leaf up.")
    if old_size == new_size:
        _check_same(old_root, new_root, proof, old_size)
        return
    _check_hashes([old_root, new_root, *proof])
    hashes = list(proof)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    before, after = _roots_of(hashes, old_size, new_size)
    if before != old_root:
        raise InvalidProof(f"The log of {new_size:,} leaves does not begin with the {old_size:,} whose root is {old_root.hex()}.")
    if after != new_root:
        raise InvalidProof(f"The proof leads to the root {after.hex()} for {new_size:,} leaves, not to {new_root.hex()}.")


def _roots_of(hashes: Sequence[bytes], old_size: int, new_size: int) -> tuple[bytes, bytes]:
    """The two roots that the hashes of a consistency proof lead to."""
    what = f"{new_size:,} leaves after {old_size:,}"
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    if not hashes:
        raise InvalidProof(_length(0, what))
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise InvalidProof(_length(len(hashes), what))
        if place & 1 or place == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise InvalidProof(_length(len(hashes), what))
    return before, after


def _check_same(old_root: bytes, new_root: bytes, proof: Sequence[bytes], size: int) -> None:
    if proof:
        raise InvalidProof(f"Two logs of {size:,} leaves each need no proof, and this one has {len(proof)} hashes.")
    if old_root != new_root:
        raise InvalidProof(f"Two logs of {size:,} leaves each have the roots {old_root.hex()} and {new_root.hex()}; one was rewritten.")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise InvalidProof(f"A hash of {len(value)} bytes is no SHA-256, which has {HASH_BYTES}; the proof or a root is damaged.")


def _length(count: int, what: str) -> str:
    return f"A proof of {what} does not have {count} hashes; it was cut off, or something was added."
