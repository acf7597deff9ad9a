"""This module is the signer's own copy of every leaf that it signed: a flat file for each stream beside its database, 44 bytes a leaf.

A root says that something differs, the copy says what: the first changed sequence, also where stream, kept tree and checkpoints were
all rewritten alike. Leaves are on the disk before the database says that they are signed, so a copy may be longer than the database after a
crash, never shorter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import InvalidInput
from .frontier import Frontier
from .leaves import LEAF_BYTES
from .signed_database import Signed

_LEAVES_AT_ONCE = 4096


class SignedLeaves:
    """The copy of one stream's leaves, which need not be there yet."""

    def __init__(self, folder: Path, stream: str) -> None:
        self.path = folder / f"{stream}.leaves"
        self._stream = stream

    @property
    def is_there(self) -> bool:
        return self.path.exists()

    @property
    def size(self) -> int:
        """How many whole leaves it holds."""
        return self.path.stat().st_size // LEAF_BYTES if self.is_there else 0

    def read(self, *, after: int, last: int) -> list[bytes]:
        """The leaves after `after` up to `last`, as far as there are any."""
        with self.path.open("rb") as file:
            file.seek(after * LEAF_BYTES)
            raw = file.read((last - after) * LEAF_BYTES)
        return [raw[start : start + LEAF_BYTES] for start in range(0, len(raw) - len(raw) % LEAF_BYTES, LEAF_BYTES)]

    def check(self, signed: Signed) -> None:
        """Raise InvalidInput unless it begins with exactly what was signed."""
        tree = Frontier()
        if self.size >= signed.size:
            for after in range(0, signed.size, _LEAVES_AT_ONCE):
                tree.append(self.read(after=after, last=min(signed.size, after + _LEAVES_AT_ONCE)))
        if (tree.size, tree.root()) != (signed.size, signed.root):
            raise InvalidInput(
                f"The signer's copy of the leaves of {self._stream} ({self.path}) has {self.size:,} of {signed.size:,} that were signed, "
                "or is damaged; nothing is signed. Bring the newest copy back. Or remove the file: it is made anew from the stream and "
                "its kept tree, if these still have the root that was signed."
            )

    def root_at(self, size: int) -> bytes:
        """The root above its first `size` leaves."""
        tree = Frontier()
        for after in range(0, size, _LEAVES_AT_ONCE):
            tree.append(self.read(after=after, last=min(size, after + _LEAVES_AT_ONCE)))
        return tree.root()

    @contextmanager
    def appending(self, size: int) -> Iterator[Callable[[Iterable[bytes]], None]]:
        """Add leaves after the first `size`, whatever lies there; they are on the disk at the end of the block."""
        is_new = not self.is_there
        with os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            file.truncate(size * LEAF_BYTES)
            file.seek(0, os.SEEK_END)
            yield lambda leaves: _write(file, leaves)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _sync_folder(self.path.parent)

    def draft(self) -> SignedLeaves:
        """A copy to one side, to be filled and then put in the place of this one; no stream has a dot in its name."""
        return SignedLeaves(self.path.parent, f"{self._stream}.new")

    def take(self, draft: SignedLeaves) -> None:
        """Put a draft that is proven in the place of this copy."""
        draft.path.replace(self.path)
        _sync_folder(self.path.parent)


def _write(file: IO[bytes], leaves: Iterable[bytes]) -> None:
    file.write(b"".join(leaves))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
