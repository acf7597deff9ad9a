"""This package is the log of a stream: a Merkle tree over every sequence, kept as tiles, its signed checkpoints, and proofs."""

from .checkpoints import Checkpoint, SignedCheckpoint, Verified, cosign, open_checkpoint, parse_checkpoint, sign_checkpoint
from .hashes import EMPTY_ROOT, leaf_hash, node_hash
from .keys import KeyKind, SigningKey, VerifierKey, read_key_file, write_key_file
from .leaves import LEAF_BYTES, Leaf, leaf_bytes, parse_leaf
from .notes import Note, Signature, parse_note
from .proofs import check_consistency, check_inclusion
from .rotation import keys_since, sign_rotation
from .spans import Node, Span, consistency_spans, inclusion_spans
from .tiles import ENTRIES, TiledTree, TileId, root_of, span_hash, tiles_of_spans

__all__ = [
    "EMPTY_ROOT",
    "ENTRIES",
    "LEAF_BYTES",
    "Checkpoint",
    "KeyKind",
    "Leaf",
    "Node",
    "Note",
    "Signature",
    "SignedCheckpoint",
    "SigningKey",
    "Span",
    "TileId",
    "TiledTree",
    "Verified",
    "VerifierKey",
    "check_consistency",
    "check_inclusion",
    "consistency_spans",
    "cosign",
    "inclusion_spans",
    "keys_since",
    "leaf_bytes",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "parse_checkpoint",
    "parse_leaf",
    "parse_note",
    "read_key_file",
    "root_of",
    "sign_checkpoint",
    "sign_rotation",
    "span_hash",
    "tiles_of_spans",
    "write_key_file",
]
