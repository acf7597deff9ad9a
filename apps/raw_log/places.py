"""This module is the paths of tiles below a log (C2SP tlog-tiles): `0/x001/067`, `1/000.p/12`, `entries/003`; one for each tile."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.persistence.errors import NotFound
from apps.persistence.log.hashes import HASH_BYTES
from apps.persistence.log.leaves import LEAF_BYTES
from apps.persistence.log.tiles import ENTRIES, TILE_WIDTH, TileId

_LENGTH_BYTES = 2
_PLACE = re.compile(r"(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tile, and how many of its hashes or leaves are asked for."""

    tile: TileId
    width: int

    @property
    def is_full(self) -> bool:
        return self.width == TILE_WIDTH

    @property
    def size(self) -> int:
        """How many bytes that is."""
        return self.width * (_LENGTH_BYTES + LEAF_BYTES if self.tile.level == ENTRIES else HASH_BYTES)


def parse_place(text: str) -> Place:
    """The tile that a path names. Raises NotFound where no tile is called so."""
    found = _PLACE.fullmatch(text)
    if found:
        level, number, width = found.groups()
        tile = TileId(ENTRIES if level == "entries" else int(level), int(number.replace("x", "").replace("/", "")))
        place = Place(tile=tile, width=int(width or TILE_WIDTH))
        if tile.path_of(place.width) == f"tile/{text}" and tile.level < 64 and (width is None or 0 < place.width < TILE_WIDTH):
            return place
    raise NotFound(f"No tile is called {text[:80]!r}; write tile/0/x001/067, tile/1/000.p/12, or tile/entries/003.")
