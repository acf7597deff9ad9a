"""This module is a stream's log as files: its checkpoint, its tiles and bundles of leaves (C2SP tlog-tiles), and the keys that sign it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.connection import ask
from apps.persistence.errors import NotFound
from apps.persistence.log.kept import find_log, read_tiles
from apps.persistence.log.published import LogKeys, Published, read_published
from apps.persistence.log.tiles import TileId
from apps.persistence.log.trust import trusted_keys
from apps.persistence.store import Store
from apps.persistence.store.names import check_stream_name
from apps.registry import trust_of

from .door import fetched_with, plain
from .places import parse_place

FOR_EVER = "private, max-age=31536000, immutable"


@fetched_with("audit.view")
def checkpoint(request: HttpRequest, stream: str) -> HttpResponse:
    """The newest checkpoint, byte for byte as it was signed."""
    return plain(ask(_checkpoint, check_stream_name(stream)).note.decode(errors="surrogateescape"))


@fetched_with("audit.view")
def tile(request: HttpRequest, stream: str, place: str) -> HttpResponse:
    """A tile of hashes, or a bundle of leaves. A full one never changes, so it may be kept."""
    wanted = parse_place(place)
    found = ask(_tile, check_stream_name(stream), wanted.tile)
    if len(found) < wanted.size:
        raise NotFound(f"The log of {stream} has no tile {place}: it holds {len(found):,} bytes there, and this one has {wanted.size:,}.")
    answer = HttpResponse(found[: wanted.size], content_type="application/octet-stream")
    if wanted.is_full:
        answer["Cache-Control"] = FOR_EVER
    return answer


@fetched_with("audit.view")
def vkeys(request: HttpRequest) -> HttpResponse:
    """The vkeys of the log under its bare name, oldest first, then those of its witnesses, one a line."""
    keys = ask(_keys)
    return plain("".join(f"{key.vkey}\n" for key in (*keys.vkeys, *keys.witnesses)))


@fetched_with("audit.view")
def vkeys_of_stream(request: HttpRequest, stream: str) -> HttpResponse:
    """The same under the name of this stream's log, as its checkpoints bear it: what a C2SP client takes."""
    return plain("".join(f"{key.vkey}\n" for key in ask(_keys).of(check_stream_name(stream))))


@fetched_with("audit.view")
def rotation(request: HttpRequest, number: int) -> HttpResponse:
    """The note by which the vkey on line `number` followed the one before it, signed by both."""
    notes = [change.note for change in ask(_keys).changes]
    if not 2 <= number <= len(notes) + 1:
        raise NotFound(f"The log has had {len(notes) + 1} keys, so no note made key {number} follow another; ask for 2 or more.")
    return plain(notes[number - 2].decode())


async def _checkpoint(store: Store, stream: str) -> Published:
    found = await read_published(store.connection, stream)
    if found is None:
        raise NotFound(
            f"No checkpoint of {stream} is published. A signer (`up` starts one, or `manage.py signer`) publishes its newest within "
            "seconds, also where it was removed."
        )
    return found


async def _tile(store: Store, stream: str, tile: TileId) -> bytes:
    found = await read_tiles(store.connection, stream, [tile])
    if not found and await find_log(store.connection, stream) == (None, ""):
        raise NotFound(f"Nothing of {stream} was logged; a worker logs each stream that a layout names.")
    return found.get(tile, b"")


async def _keys(store: Store) -> LogKeys:
    """Those of the log that this process was told, and of no other that lies in its place."""
    found = await trusted_keys(store.connection, trust_of(store.connection))
    if found is None:
        raise NotFound(
            "No signer's keys are published here. A signer (`up` starts one, or `manage.py signer`) publishes them within seconds, "
            "also where they were removed."
        )
    return found
