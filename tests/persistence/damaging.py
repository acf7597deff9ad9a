"""This module is damage at rest: one file of a stopped server's store is changed at a random place, as a failing disk does it.

    with the server stopped:
    damage = damage_stream(server.data_dir, "CIM-EVENTS", random.Random(7))     # any kind, any file of the stream
    damage = damage_stream(folder, stream, chance, kind=Kind.FLIP, part=Part.BLOCK)

A stream's files lie in `jetstream/<account>/streams/<stream>/`: blocks of messages in `msgs/<n>.blk`, what the server remembers of them in
`msgs/index.db`, configuration in `meta.inf`, its checksum in `meta.sum`. What was done is returned, so that a failing test says it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random


class Kind(StrEnum):
    """What happens to the file."""

    FLIP = "flip one bit"
    TRUNCATE = "cut off the end"
    DELETE = "delete the file"


class Part(StrEnum):
    """Which of a stream's files."""

    BLOCK = "*.blk"
    INDEX = "index.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What was done: to which file, and at which byte of how many."""

    kind: Kind
    file: Path
    place: int
    size: int

    def __str__(self) -> str:
        return f"{self.kind} of {self.file.name} at byte {self.place:,} of {self.size:,}"


def damage_stream(data_dir: Path, stream: str, chance: Random, *, kind: Kind | None = None, part: Part | None = None) -> Damage:
    """Damage one file of a stream below a server's data directory, which must be stopped; any kind and part where none is given."""
    kind = kind or chance.choice(list(Kind))
    part = part or chance.choice(list(Part))
    files = stream_files(data_dir, stream, part) or stream_files(data_dir, stream, Part.BLOCK)
    return damage_file(chance.choice(files), chance, kind)


def damage_file(file: Path, chance: Random, kind: Kind) -> Damage:
    """Flip one random bit of a file, cut it off at a random place, or delete it."""
    size = file.stat().st_size
    place = chance.randrange(size) if kind is not Kind.DELETE else 0
    if kind is Kind.DELETE:
        file.unlink()
    elif kind is Kind.TRUNCATE:
        with file.open("r+b") as opened:
            opened.truncate(place)
    else:
        flip_bit(file, place, chance.randrange(8))
    return Damage(kind=kind, file=file, place=place, size=size)


def flip_bit(file: Path, place: int, bit: int) -> None:
    """Turn one bit of a file over."""
    with file.open("r+b") as opened:
        opened.seek(place)
        byte = opened.read(1)[0]
        opened.seek(place)
        opened.write(bytes([byte ^ (1 << bit)]))


def stream_files(data_dir: Path, stream: str, part: Part) -> list[Path]:
    """The files of one kind that a stopped server keeps of a stream and that hold anything, in order."""
    found = data_dir.glob(f"jetstream/**/streams/{stream}/msgs/{part}")
    return sorted(file for file in found if file.stat().st_size)
