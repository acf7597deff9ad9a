"""This module is reading models as the version of the projection that the code knows: as they are, transformed from an older one, or not.

Each stored model says which version of the projection wrote it, so models of another version are never taken for one's own, whatever
serves at that moment: neither while newer code builds them anew, nor by older code after the switch.
"""

from __future__ import annotations

from typing import cast

from ..encoding import Value, decode
from ..errors import StreamNotFound, Unavailable
from ..store import Connection, kv_all, kv_get
from .control import serving_bucket
from .definition import Model, ProjectionDefinition


async def find_model(connection: Connection, definition: ProjectionDefinition, key: str) -> Model | None:
    """One read model `{model_type}.{id}`, or None where there is none. Raises as `current_model`."""
    try:
        entry = await kv_get(connection, await serving_bucket(connection, definition.name), key)
    except StreamNotFound:
        return None
    return current_model(definition, key, entry.value) if entry else None


async def list_models(connection: Connection, definition: ProjectionDefinition, model_type: str) -> dict[str, Model]:
    """All models of a type by their keys; none before the projection was first built. Raises as `current_model`."""
    try:
        entries = await kv_all(connection, await serving_bucket(connection, definition.name), prefix=model_type)
    except StreamNotFound:
        return {}
    return {entry.key: current_model(definition, entry.key, entry.value) for entry in entries}


def current_model(definition: ProjectionDefinition, key: str, data: bytes) -> Model:
    """A stored model of a bucket as this version of the projection has it.

    Raises Unavailable where another version wrote it and no transforms lead from there: it is readable once it was built anew.
    """
    stored = cast("dict[str, dict[str, Value]]", decode(data))
    version, model = cast(int, stored["metadata"]["schema_version"]), stored["model"]
    if version > definition.version:
        raise Unavailable(
            f"{key} of {definition.name} was written by version {version} of the projection, and this program has only version "
            f"{definition.version}; start it again with the newer code."
        )
    for step in range(version, definition.version):
        if step not in definition.transforms:
            raise Unavailable(
                f"{key} of {definition.name} was written by version {version} of the projection, and this program reads version "
                f"{definition.version}; a worker builds it anew. Try again when {definition.name} has caught up."
            )
        model = definition.transforms[step](key, model)
    return model
