"""This package is the log of a stream: a Merkle tree over every sequence, kept as tiles, and proofs that anybody can check."""

from .hashes import EMPTY_ROOT, leaf_hash, node_hash
from .leaves import LEAF_BYTES, Leaf, leaf_bytes, parse_leaf
from .proofs import check_consistency, check_inclusion
from .spans import Node, Span, consistency_spans, inclusion_spans
from .tiles import ENTRIES, TiledTree, TileId, root_of, span_hash, tiles_of_spans

__all__ = [
    "EMPTY_ROOT",
    "ENTRIES",
    "LEAF_BYTES",
    "Leaf",
    "Node",
    "Span",
    "TileId",
    "TiledTree",
    "check_consistency",
    "check_inclusion",
    "consistency_spans",
    "inclusion_spans",
    "leaf_bytes",
    "leaf_hash",
    "node_hash",
    "parse_leaf",
    "root_of",
    "span_hash",
    "tiles_of_spans",
]
