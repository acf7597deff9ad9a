"""The tree of a log is that of RFC 6962: against published cases, against the slow definition, and against whatever is wrong."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidCid, InvalidInput, InvalidProof
from apps.persistence.log import (
    EMPTY_ROOT,
    Leaf,
    Span,
    TiledTree,
    TileId,
    check_consistency,
    check_inclusion,
    consistency_spans,
    inclusion_spans,
    leaf_bytes,
    leaf_hash,
    parse_leaf,
    root_of,
    span_hash,
    tiles_of_spans,
)
from apps.persistence.log.tiles import ENTRIES, bundled_leaves, width_of
from tests.fixtures import FIXTURES

from .growing_log import naive_consistency, naive_inclusion, naive_root, tiles_of

INCLUSION = sorted((FIXTURES / "merkle" / "inclusion").rglob("*.json"))
CONSISTENCY = sorted((FIXTURES / "merkle" / "consistency").rglob("*.json"))
SOME = settings(max_examples=60, deadline=None)


def a_leaf(number: int) -> bytes:
    return leaf_bytes(number + 1, cid_of(number.to_bytes(4, "big")) if number % 7 else None)


def some_leaves(count: int) -> list[bytes]:
    return [a_leaf(number) for number in range(count)]


def grown(leaves: list[bytes]) -> TiledTree:
    tree = TiledTree()
    tree.append(leaves)
    return tree


# -- published cases -------------------------------------------------------------------------------------------------------------------


def load(file: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(file.read_text())
    return {name: b64decode(value) if name in ("root", "root1", "root2", "leafHash") else value for name, value in case.items()} | {
        "proof": [b64decode(part) for part in case["proof"] or []]
    }


def accepts_inclusion(case: dict[str, Any]) -> bool:
    try:
        check_inclusion(case["leafHash"], index=case["leafIdx"], size=case["treeSize"], proof=case["proof"], root=case["root"])
    except InvalidProof:
        return False
    return True


def accepts_consistency(case: dict[str, Any]) -> bool:
    try:
        check_consistency(
            old_size=case["size1"], old_root=case["root1"], new_size=case["size2"], new_root=case["root2"], proof=case["proof"]
        )
    except InvalidProof:
        return False
    return True


@pytest.mark.usefixtures("fixtures_dir")
def test_published_cases_are_all_there() -> None:
    assert len(INCLUSION) + len(CONSISTENCY) == 196


@pytest.mark.parametrize("file", INCLUSION, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_published_inclusion_is_judged_as_it_says(file: Path) -> None:
    case = load(file)

    assert accepts_inclusion(case) is not case["wantErr"]


@pytest.mark.parametrize("file", CONSISTENCY, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_published_consistency_is_judged_as_it_says(file: Path) -> None:
    case = load(file)

    assert accepts_consistency(case) is not case["wantErr"]


# -- against the slow definition -------------------------------------------------------------------------------------------------------


@SOME
@given(st.integers(0, 700))
def test_root_is_that_of_the_definition(size: int) -> None:
    leaves = some_leaves(size)

    assert grown(leaves).root() == naive_root(leaves)


@SOME
@given(st.integers(1, 600), st.data())
def test_inclusion_proof_is_that_of_the_definition_and_holds(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaves = some_leaves(size)
    tiles = tiles_of(grown(leaves))

    proof = [span_hash(tiles, span) for span in inclusion_spans(index, size)]

    assert proof == naive_inclusion(index, leaves)
    check_inclusion(leaf_hash(leaves[index]), index=index, size=size, proof=proof, root=root_of(tiles, size))


@SOME
@given(st.integers(1, 600), st.data())
def test_consistency_proof_is_that_of_the_definition_and_holds(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    leaves = some_leaves(size)
    tiles = tiles_of(grown(leaves))

    proof = [span_hash(tiles, span) for span in consistency_spans(old, size)]

    assert proof == naive_consistency(old, leaves)
    check_consistency(old_size=old, old_root=naive_root(leaves[:old]), new_size=size, new_root=naive_root(leaves), proof=proof)


@SOME
@given(st.lists(st.integers(0, 400), max_size=6))
def test_tree_that_stopped_and_went_on_is_the_tree_made_in_one_go(steps: list[int]) -> None:
    leaves = some_leaves(sum(steps))
    kept: dict[TileId, bytes] = {}
    done = 0

    for step in steps:
        tree = TiledTree(done, kept)
        tree.append(leaves[done : done + step])
        kept |= tree.take_changed()
        done += step

    assert kept == grown(leaves).changed
    assert TiledTree(done, kept).root() == naive_root(leaves)


@SOME
@given(st.integers(2, 300), st.data())
def test_no_proof_of_a_changed_log_holds(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 2))
    old = data.draw(st.integers(index + 1, size - 1))
    leaves = some_leaves(size)
    changed = [*leaves[:index], a_leaf(size + index), *leaves[index + 1 :]]
    tiles = tiles_of(grown(changed))
    proof = [span_hash(tiles, span) for span in consistency_spans(old, size)]

    with pytest.raises(InvalidProof):
        check_consistency(old_size=old, old_root=naive_root(leaves[:old]), new_size=size, new_root=naive_root(changed), proof=proof)


# -- leaves and tiles ------------------------------------------------------------------------------------------------------------------


def test_leaf_is_the_sequence_and_the_cid() -> None:
    cid = cid_of(b"an event")

    raw = leaf_bytes(258, cid)

    assert raw == bytes([0, 0, 0, 0, 0, 0, 1, 2]) + cid.raw
    assert parse_leaf(raw) == Leaf(258, cid)


def test_leaf_of_a_sequence_that_holds_nothing_has_zeros_for_a_cid() -> None:
    raw = leaf_bytes(3, None)

    assert raw == bytes(7) + b"\x03" + bytes(36)
    assert parse_leaf(raw) == Leaf(3, None)


@pytest.mark.parametrize(("raw", "error"), [(bytes(43), InvalidInput), (bytes(45), InvalidInput), (bytes(43) + b"\x01", InvalidCid)])
def test_leaf_of_other_bytes_is_refused(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_leaf(raw)


@pytest.mark.parametrize(
    ("tile", "width", "path"),
    [
        (TileId(0, 0), 256, "tile/0/000"),
        (TileId(0, 5), 7, "tile/0/005.p/7"),
        (TileId(1, 1234067), 256, "tile/1/x001/x234/067"),
        (TileId(ENTRIES, 1000), 1, "tile/entries/x001/000.p/1"),
    ],
)
def test_tile_is_named_as_the_specification_says(tile: TileId, width: int, path: str) -> None:
    assert tile.path_of(width) == path


def test_tiles_have_the_widths_of_the_tree() -> None:
    changed = grown(some_leaves(600)).changed

    assert {tile: len(hashes) // 32 for tile, hashes in changed.items() if tile.level != ENTRIES} == {
        TileId(0, 0): 256,
        TileId(0, 1): 256,
        TileId(0, 2): 88,
        TileId(1, 0): 2,
    }
    assert [width_of(tile, 600) for tile in (TileId(0, 2), TileId(1, 0), TileId(0, 3), TileId(ENTRIES, 2))] == [88, 2, 0, 88]


def test_bundle_gives_its_leaves_back() -> None:
    leaves = some_leaves(300)

    changed = grown(leaves).changed

    assert bundled_leaves(changed[TileId(ENTRIES, 0)]) + bundled_leaves(changed[TileId(ENTRIES, 1)]) == leaves


@pytest.mark.parametrize("bundle", [bytes(45), b"\x00\x2d" + bytes(45), bytes(46)])
def test_bundle_of_anything_else_is_refused(bundle: bytes) -> None:
    with pytest.raises(InvalidInput):
        bundled_leaves(bundle)


def test_proof_needs_few_tiles_of_a_large_log() -> None:
    spans = inclusion_spans(1_234_567, 10_000_000)

    assert len(tiles_of_spans(spans)) <= 5


def test_tree_without_leaves_has_the_root_of_nothing() -> None:
    assert TiledTree().root() == EMPTY_ROOT


# -- what is wrong ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_inclusion_outside_the_log_is_refused(index: int, size: int) -> None:
    with pytest.raises(InvalidProof):
        inclusion_spans(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5), (-1, 5)])
def test_consistency_of_impossible_sizes_is_refused(old: int, new: int) -> None:
    with pytest.raises(InvalidProof):
        consistency_spans(old, new)


@pytest.mark.parametrize("change", [lambda proof: proof[:-1], lambda proof: [*proof, bytes(32)], lambda proof: [], lambda proof: proof[1:]])
def test_proof_with_another_number_of_hashes_is_refused(change: Callable[[list[bytes]], list[bytes]]) -> None:
    leaves = some_leaves(100)
    inclusion, consistency = naive_inclusion(41, leaves), naive_consistency(41, leaves)

    with pytest.raises(InvalidProof):
        check_inclusion(leaf_hash(leaves[41]), index=41, size=100, proof=change(inclusion), root=naive_root(leaves))
    with pytest.raises(InvalidProof):
        check_consistency(
            old_size=41, old_root=naive_root(leaves[:41]), new_size=100, new_root=naive_root(leaves), proof=change(consistency)
        )


def test_hash_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidProof, match="A hash of 31 bytes"):
        check_inclusion(bytes(32), index=0, size=2, proof=[bytes(31)], root=bytes(32))


def test_tile_that_lost_hashes_is_noticed() -> None:
    tiles = dict(tiles_of(grown(some_leaves(300))))
    tiles[TileId(0, 0)] = tiles[TileId(0, 0)][:64]

    with pytest.raises(InvalidProof, match="tile/0/000 holds 2 hashes"):
        span_hash(tiles, Span(0, 256 - 128))


def test_tree_does_not_go_on_from_an_edge_that_is_too_short() -> None:
    kept = dict(grown(some_leaves(300)).changed)
    kept[TileId(0, 1)] = kept[TileId(0, 1)][:-32]

    with pytest.raises(InvalidProof, match="tile/0/001 is kept with"):
        TiledTree(300, kept)
