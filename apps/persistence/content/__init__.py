"""This package is content by its CID: bytes of any kind, kept once, named by their hash and never handed out changed."""

from .cids import cid_of_bytes, parse_cid
from .store import CONTENT_BUCKET, MAX_CONTENT_BYTES, ContentStore

__all__ = ["CONTENT_BUCKET", "MAX_CONTENT_BYTES", "ContentStore", "cid_of_bytes", "parse_cid"]
