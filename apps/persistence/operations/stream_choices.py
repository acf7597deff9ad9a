"""This module is the streams and buckets that operations can be asked to change; those of the console itself are listed last."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import Registry
from ..store import Store, list_streams
from .protection import OWN_PREFIXES


async def every_stream(store: Store, registry: Registry) -> Sequence[str]:
    """Every stream, buckets after plain ones."""
    names = [stream.name for stream in await list_streams(store.connection)]
    return sorted(names, key=lambda name: (name.startswith(OWN_PREFIXES), name.startswith(("KV_", "OBJ_")), name))


async def every_bucket(store: Store, registry: Registry) -> Sequence[str]:
    """Every key-value bucket."""
    return [name.removeprefix("KV_") for name in await every_stream(store, registry) if name.startswith("KV_")]
