"""This module is comparing two builds of a projection, model by model, before readers are switched from one to the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from blake3 import blake3

from ..encoding import Value, decode, encode
from ..store import Connection, open_reader, to_entry
from .definition import bucket_of
from .models import POSITION_KEY

SAMPLES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two builds, counted by model. `moved` were last changed by different events, so they say nothing: one build is ahead of the other.

    `samples` are some keys of each kind of difference.
    """

    one: int
    other: int
    equal: int
    different: int
    moved: int
    only_in_one: int
    only_in_other: int
    samples: tuple[tuple[str, str], ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing that can be compared differs."""
        return not (self.different or self.only_in_one or self.only_in_other)


async def compare_builds(connection: Connection, name: str, *, one: int, other: int) -> Comparison:
    """Compare all models of two builds that were changed last by the same event. Raises StreamNotFound where a build was dropped."""
    mine, theirs = await _digests(connection, bucket_of(name, one)), await _digests(connection, bucket_of(name, other))
    both = mine.keys() & theirs.keys()
    moved = {key for key in both if mine[key][0] != theirs[key][0]}
    different = {key for key in both - moved if mine[key] != theirs[key]}
    only_in_one, only_in_other = mine.keys() - theirs.keys(), theirs.keys() - mine.keys()
    samples = [*_name("different", different), *_name("only in one", only_in_one), *_name("only in other", only_in_other)]
    return Comparison(
        one=one,
        other=other,
        equal=len(both) - len(moved) - len(different),
        different=len(different),
        moved=len(moved),
        only_in_one=len(only_in_one),
        only_in_other=len(only_in_other),
        samples=tuple(samples),
    )


async def _digests(connection: Connection, bucket: str) -> dict[str, tuple[int, bytes]]:
    """For each model the sequence that changed it last, and a hash of it without its metadata."""
    found: dict[str, tuple[int, bytes]] = {}
    async with open_reader(connection, f"KV_{bucket}") as reader:
        async for messages in reader:
            for message in messages:
                entry = to_entry(bucket, message)
                if entry.operation != "put":
                    found.pop(entry.key, None)
                elif entry.key != POSITION_KEY:
                    value = cast("dict[str, Value]", decode(entry.value))
                    metadata = cast("dict[str, int]", value["metadata"])
                    found[entry.key] = metadata["last_event_position"], blake3(encode(value["model"])).digest()
    return found


def _name(kind: str, keys: Iterable[str]) -> list[tuple[str, str]]:
    return [(kind, key) for key in sorted(keys)[:SAMPLES]]
