"""This package is content by its CID: bytes of any kind, kept once, named by their hash and never handed out changed; and chains
of such contents."""

from .chains import ChainCheck, Link, add_to_chain, read_chain, verify_chain
from .cids import cid_of_bytes, parse_cid
from .store import CONTENT_BUCKET, MAX_CONTENT_BYTES, ContentStore

__all__ = [
    "CONTENT_BUCKET",
    "MAX_CONTENT_BYTES",
    "ChainCheck",
    "ContentStore",
    "Link",
    "add_to_chain",
    "cid_of_bytes",
    "parse_cid",
    "read_chain",
    "verify_chain",
]
