"""This module is the kept tree of a stream: its tiles and its newest state in the bucket `cim-log-tiles`, and proofs made from them.

Tiles and state change together in one atomic batch, which the state's revision fences: two writers cannot tear the tree apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..encoding import Value, encode
from ..errors import InvalidInput, StreamNotFound
from ..events import format_time, now, parse_time
from ..store import Connection, KvEntry, ensure_bucket, kv_get, kv_get_many, kv_put_batch, of_type, parse_record
from .frontier import Frontier
from .hashes import HASH_BYTES
from .spans import Span, consistency_spans, inclusion_spans, perfect_parts
from .tiles import ENTRIES, TILE_WIDTH, TiledTree, TileId, bundled_leaves, edge_of, node_of, root_of, span_hash, tiles_of_spans

TILES_BUCKET = "cim-log-tiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """How far the kept tree of a stream goes: over the sequences from 1 to `size`."""

    stream: str
    size: int
    root: bytes
    at: datetime
    revision: int


async def ensure_log(connection: Connection) -> None:
    """Create the bucket of tiles where it is missing."""
    await ensure_bucket(connection, TILES_BUCKET)


async def read_log(connection: Connection, stream: str, *, leader: bool = False) -> LogState | None:
    """The state of a stream's kept tree, or None where there is none yet. Raises InvalidInput where it cannot be read."""
    try:
        entry = await kv_get(connection, TILES_BUCKET, stream, leader=leader)
    except StreamNotFound:
        return None
    return _state(stream, entry) if entry else None


async def find_log(connection: Connection, stream: str, *, leader: bool = False) -> tuple[LogState | None, str]:
    """The same, and why it cannot be read, for those who go on without it."""
    try:
        return await read_log(connection, stream, leader=leader), ""
    except InvalidInput as error:
        return None, str(error)


async def drop_unreadable(connection: Connection, stream: str) -> bool:
    """Delete a state that cannot be read, so that the stream is logged again; whether there was one. Raises RevisionConflict."""
    entry = await kv_get(connection, TILES_BUCKET, stream, leader=True)
    try:
        if entry is not None:
            _state(stream, entry)
    except InvalidInput:
        assert entry is not None
        await kv_put_batch(connection, TILES_BUCKET, {stream: None}, expected={stream: entry.revision})
        return True
    return False


async def read_tiles(connection: Connection, stream: str, tiles: Iterable[TileId]) -> dict[TileId, bytes]:
    """Those of these tiles that are kept; each may be longer than a proof in an older tree needs."""
    keys = {_key(stream, tile): tile for tile in tiles}
    try:
        found = await kv_get_many(connection, TILES_BUCKET, list(keys)) if keys else {}
    except StreamNotFound:
        return {}
    return {keys[key]: entry.value for key, entry in found.items()}


async def open_tree(connection: Connection, stream: str, size: int) -> TiledTree:
    """The kept tree as it was with its first `size` leaves, to go on from there. Raises InvalidProof where tiles are missing."""
    return TiledTree(size, await read_tiles(connection, stream, [*edge_of(size), TileId(ENTRIES, size // TILE_WIDTH)]))


async def edge_at(connection: Connection, stream: str, size: int) -> Frontier:
    """The right edge of the kept tree as it was with `size` leaves. Raises InvalidProof where tiles are missing."""
    span = Span(0, size)
    tiles = await read_tiles(connection, stream, tiles_of_spans([span]))
    return Frontier(size, b"".join([node_of(tiles, node) for node in perfect_parts(span)]))


async def keep_tree(connection: Connection, stream: str, tree: TiledTree, *, revision: int) -> LogState:
    """Write what changed in the tree, if the state is still at `revision` (0: there is none). Raises RevisionConflict."""
    state = LogState(stream=stream, size=tree.size, root=tree.root(), at=now(), revision=revision)
    return await keep_tiles(connection, state, tree.take_changed())


async def keep_tiles(connection: Connection, state: LogState, tiles: Mapping[TileId, bytes]) -> LogState:
    """Write tiles and the state, if that is still at its revision; return it with its new one. Raises RevisionConflict."""
    value: dict[str, Value] = {"size": state.size, "root": state.root, "at": format_time(state.at)}
    changes: dict[str, bytes | None] = {_key(state.stream, tile): whole for tile, whole in tiles.items()}
    changes[state.stream] = encode(value)
    written = await kv_put_batch(connection, TILES_BUCKET, changes, expected={state.stream: state.revision})
    return replace(state, at=parse_time(str(value["at"])), revision=written)


async def root_at(connection: Connection, stream: str, size: int) -> bytes:
    """The root of the first `size` leaves by the kept tiles. Raises InvalidProof where tiles are missing."""
    return root_of(await read_tiles(connection, stream, tiles_of_spans([Span(0, size)])), size)


async def prove_inclusion(connection: Connection, stream: str, sequence: int, *, size: int) -> list[bytes]:
    """The proof that the log of the first `size` sequences holds what was logged at `sequence`. Raises InvalidProof."""
    return await _prove(connection, stream, inclusion_spans(sequence - 1, size))


async def prove_consistency(connection: Connection, stream: str, *, old_size: int, new_size: int) -> list[bytes]:
    """The proof that the log of `new_size` leaves begins with that of `old_size`. Raises InvalidProof."""
    return await _prove(connection, stream, consistency_spans(old_size, new_size))


async def logged_leaves(connection: Connection, stream: str, *, first: int, last: int) -> list[bytes | None]:
    """What was logged of the sequences `first` to `last`; None where that is not kept, or its bundle is damaged."""
    if last < first:
        return []
    numbers = range((first - 1) // TILE_WIDTH, (last - 1) // TILE_WIDTH + 1)
    bundles = await read_tiles(connection, stream, [TileId(ENTRIES, number) for number in numbers])
    leaves: list[bytes | None] = []
    for number in numbers:
        found = _leaves_in(bundles.get(TileId(ENTRIES, number), b""))
        leaves += [*found, *[None] * (TILE_WIDTH - len(found))]
    start = first - 1 - numbers[0] * TILE_WIDTH
    return leaves[start : start + last - first + 1]


async def logged_leaf(connection: Connection, stream: str, sequence: int) -> bytes | None:
    """What was logged of one sequence by the leader, as a replica may be behind; None where that is not kept, or is damaged."""
    number, place = divmod(sequence - 1, TILE_WIDTH)
    entry = await kv_get(connection, TILES_BUCKET, _key(stream, TileId(ENTRIES, number)), leader=True)
    leaves = _leaves_in(entry.value) if entry else []
    return leaves[place] if place < len(leaves) else None


def _leaves_in(bundle: bytes) -> list[bytes]:
    try:
        return bundled_leaves(bundle)[:TILE_WIDTH]
    except InvalidInput:
        return []


async def _prove(connection: Connection, stream: str, spans: Sequence[Span]) -> list[bytes]:
    tiles = await read_tiles(connection, stream, tiles_of_spans(spans))
    return [span_hash(tiles, span) for span in spans]


def _key(stream: str, tile: TileId) -> str:
    return f"{stream}.{tile.path}"


def _state(stream: str, entry: KvEntry) -> LogState:
    def parse(value: Any) -> LogState:
        size, root = of_type(value["size"], int), of_type(value["root"], bytes)
        if size < 0 or len(root) != HASH_BYTES:
            raise ValueError(f"its size is {size} and its root {len(root)} bytes long")
        return LogState(stream=stream, size=size, root=root, at=parse_time(value["at"]), revision=entry.revision)

    return parse_record(
        entry, parse, remedy=f"Start check-log of {stream} with mend: it logs the stream again, and holds it against what was signed."
    )
