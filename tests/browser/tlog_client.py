"""This module is a client of C2SP tlog-tiles from the standard library alone: it follows a log over HTTP, and believes its hashes only.

It shares no line with the product. Signatures it leaves to others: the standard library has no Ed25519.
"""

from __future__ import annotations

import urllib.request
from base64 import b64decode
from hashlib import sha256
from http.cookiejar import CookieJar


class LogClient:
    """Follows one log below `prefix`; signs in by a link."""

    def __init__(self, sign_in_link: str, prefix: str) -> None:
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar())).open
        self._open(sign_in_link, timeout=30).close()
        self._prefix = prefix
        self.hashes: list[bytes] = []
        self.fetched: list[str] = []

    def get(self, path: str) -> bytes:
        with self._open(f"{self._prefix}/{path}", timeout=30) as answer:
            self.fetched.append(path)
            whole: bytes = answer.read()
        return whole

    def checkpoint(self) -> tuple[str, int, bytes]:
        """Origin, size and root that the log shows now."""
        origin, size, root, *_ = self.get("checkpoint").decode().split("\n")
        return origin, int(size), b64decode(root)

    def follow(self, size: int) -> None:
        """Fetch the hashes of the leaves that came since, and see that the bundles of leaves are those that were hashed."""
        for tile in range(len(self.hashes) // 256, (size + 255) // 256):
            width = min(256, size - tile * 256)
            path = f"{_name(tile)}{f'.p/{width}' if width < 256 else ''}"
            hashes, bundle = self.get(f"tile/0/{path}"), self.get(f"tile/entries/{path}")
            found = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
            assert found == [sha256(b"\0" + leaf).digest() for leaf in _unbundled(bundle)], path
            kept = self.hashes[tile * 256 :]
            assert found[: len(kept)] == kept, f"the log was changed within {path}"
            self.hashes[tile * 256 :] = found

    def upper_tile(self) -> bytes:
        """The roots of the full tiles, computed here."""
        return b"".join(root_of(self.hashes[start : start + 256]) for start in range(0, len(self.hashes) // 256 * 256, 256))


def root_of(hashes: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it stands there."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    middle = 1
    while middle * 2 < len(hashes):
        middle *= 2
    return sha256(b"\1" + root_of(hashes[:middle]) + root_of(hashes[middle:])).digest()


def _name(number: int) -> str:
    text = f"{number % 1000:03}"
    while number := number // 1000:
        text = f"x{number % 1000:03}/{text}"
    return text


def _unbundled(bundle: bytes) -> list[bytes]:
    leaves, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        leaves.append(bundle[at + 2 : at + 2 + length])
        at += 2 + length
    return leaves
