"""This module is the file of an archive: a CAR of all events of a closed range, whose root proves what they are.

    {format, stream, declared, generation, root, context, created, first, last, events, aggregates, digest, heads, verified, at, by, run}
    [[aggregate, version, CID], …]     the heads, in blocks that the root names, by name of the aggregate
    …                                  then each event's block, as it is stored, in stream order

`digest` is the BLAKE3 of the CIDs of all events in that order. So the root's CID stands for every byte of the range.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from blake3 import blake3

from ..encoding import Cid, Value, cid_of, decode, encode
from ..errors import EncodingError, InvalidInput
from .car import read_header, read_section, write_header, write_section
from .reading import ByteReader

ARCHIVE_FORMAT = "cim-archive/1"
_HEADS_IN_A_BLOCK = 10_000

Head = tuple[int, Cid]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveManifest:
    """What the root says. `stream` is the generation that was read, `declared` the stream by its first name; `verified` is the verdict."""

    stream: str
    declared: str
    generation: int
    root: str
    context: str | None
    created: str
    first: int
    last: int
    events: int
    aggregates: int
    digest: str
    heads: tuple[Cid, ...]
    verified: Mapping[str, Value]
    at: str
    by: str
    run: str

    def to_block(self) -> bytes:
        """The root of the file."""
        return encode({"format": ARCHIVE_FORMAT, **cast("dict[str, Value]", asdict(self)), "heads": list(self.heads)})


@dataclass(slots=True)
class Tally:
    """What events come to, one after the other: how many, their digest, and the head of each aggregate."""

    events: int = 0
    heads: dict[str, Head] = field(default_factory=dict)
    _hash: Any = field(default_factory=blake3)

    def add(self, aggregate: str, version: int, cid: Cid) -> None:
        """The next event."""
        self.events += 1
        self.heads[aggregate] = (version, cid)
        self._hash.update(cid.raw)

    @property
    def digest(self) -> str:
        """The BLAKE3 of all CIDs so far, in hexadecimal."""
        return str(self._hash.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What stands at the beginning of a file."""

    manifest: ArchiveManifest
    heads: Mapping[str, Head]

    def differences(self, found: Tally) -> list[str]:
        """How events that were read differ from what the root says, a phrase each; none where they are those of the archive."""
        wrong = []
        if found.events != self.manifest.events:
            wrong.append(f"{found.events:,} events are there, and the archive is of {self.manifest.events:,}")
        if found.digest != self.manifest.digest:
            wrong.append(f"their digest is {found.digest}, and the archive's is {self.manifest.digest}")
        other = sorted(name for name in found.heads.keys() | self.heads.keys() if found.heads.get(name) != self.heads.get(name))
        if other:
            wrong.append(f"{len(other):,} aggregates end elsewhere, the first is {other[0]}")
        return wrong


def heads_in_blocks(heads: Mapping[str, Head]) -> list[bytes]:
    """The heads as blocks, so that no block is too large whatever the number of aggregates."""
    listed: list[Value] = [[name, heads[name][0], heads[name][1]] for name in sorted(heads)]
    return [encode(listed[start : start + _HEADS_IN_A_BLOCK]) for start in range(0, len(listed), _HEADS_IN_A_BLOCK)]


def archive_preamble(manifest: ArchiveManifest, heads: Sequence[bytes]) -> bytes:
    """The file up to its first event."""
    blocks = [manifest.to_block(), *heads]
    return write_header([cid_of(blocks[0])]) + b"".join(write_section(cid_of(block), block) for block in blocks)


async def read_archive(reader: ByteReader) -> Archive:
    """Read the root and the heads. Raises InvalidInput for a file that is no archive, or whose beginning is damaged."""
    try:
        roots = await read_header(reader)
        block = await read_section(reader)
    except InvalidInput as error:
        raise InvalidInput(f"The file is no archive, or its beginning is damaged: {error}") from error
    found = _decoded(block.data) if block is not None else None
    if block is None or not isinstance(found, dict) or found.get("format") != ARCHIVE_FORMAT or roots != (block.cid,):
        raise InvalidInput(f"The file is a CAR, but no archive: its first block is not of the format {ARCHIVE_FORMAT}.")
    manifest = _manifest(found)
    heads: dict[str, Head] = {}
    for wanted in manifest.heads:
        part = await read_section(reader)
        if part is None or part.cid != wanted:
            raise InvalidInput(f"The archive lacks the block of heads {wanted} behind its root; it was cut off or put together anew.")
        heads.update(_heads(_decoded(part.data)))
    return Archive(manifest=manifest, heads=heads)


def _manifest(found: Mapping[str, Value]) -> ArchiveManifest:
    fields: dict[str, Any] = {name: value for name, value in found.items() if name != "format"}
    try:
        return ArchiveManifest(**{**fields, "heads": tuple(fields["heads"])})
    except (TypeError, KeyError) as error:
        raise InvalidInput(f"The root of the archive lacks something or has too much: {error}.") from error


def _heads(listed: Value) -> Iterable[tuple[str, Head]]:
    try:
        return [(str(name), (int(version), Cid(cid.raw))) for name, version, cid in cast("list[Any]", listed)]
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"A block of heads of the archive holds something else: {error}.") from error


def _decoded(data: bytes) -> Value:
    try:
        return decode(data)
    except EncodingError as error:
        raise InvalidInput(f"A block at the beginning of the archive cannot be read: {error}") from error
