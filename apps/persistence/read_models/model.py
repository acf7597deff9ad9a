"""This module is one stored read model: its fields, what is known about it, and the schema by which it may be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, cast

from ..encoding import Value, decode, encode
from ..errors import EncodingError, InvalidInput, PersistenceError, UnknownModelSchema
from ..events import format_time, parse_time
from ..store import KvEntry
from ..subjects import check_token

Model: TypeAlias = "dict[str, Value]"
STATUS = "projection_status"
"""No model has this id: the key says how the projection of its type stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadModelMetadata:
    """What is known about a model. `last_event_position` is the sequence of the newest event in it, `metadata` whatever its writer adds."""

    id: str
    model_type: str
    schema_version: int
    last_updated: datetime
    last_event_position: int = 0
    metadata: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model as this program knows its type, with the revision of its key."""

    model: Model
    metadata: ReadModelMetadata
    revision: int = 0

    @property
    def key(self) -> str:
        """Its key in the bucket."""
        return f"{self.metadata.model_type}.{self.metadata.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSchema:
    """How a type of models is read: the version this program knows, and under each older one the step from it to the next."""

    version: int = 1
    steps: Mapping[int, Callable[[Model], Model]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.version < 1 or any(not 1 <= step < self.version for step in self.steps):
            raise InvalidInput(f"A schema of version {self.version} cannot have steps from {sorted(self.steps)}; versions begin at 1.")


UNDECLARED = ModelSchema()


def check_model_key(key: str) -> str:
    """Return `key` if it is one of a model: a type and an id of one token or more. Raises InvalidSubject, or InvalidInput."""
    tokens = key.split(".")
    for token in tokens:
        check_token(token, "a part of a model's key")
    if not is_model_key(key):
        raise InvalidInput(f"{key[:80]!r} is no key of a model; it is a type and an id, and no model has the id {STATUS}.")
    return key


def is_model_key(key: str) -> bool:
    """Whether a key of the bucket is that of a model; the others say how far a projection is."""
    return "." in key and not key.startswith("_") and not key.endswith(f".{STATUS}")


def to_bytes(stored: StoredModel) -> bytes:
    """The value that is stored under the model's key."""
    known = stored.metadata
    metadata: dict[str, Value] = {
        "id": known.id,
        "model_type": known.model_type,
        "schema_version": known.schema_version,
        "last_updated": format_time(known.last_updated),
        "last_event_position": known.last_event_position,
    }
    if known.metadata:
        metadata["metadata"] = dict(known.metadata)
    return encode({"metadata": metadata, "model": stored.model})


def from_entry(entry: KvEntry, schemas: Mapping[str, ModelSchema]) -> StoredModel:
    """The model in an entry of the bucket. Raises UnknownModelSchema where it is of another version that no declared steps lead from."""
    stored = parse_entry(entry)
    known = schemas.get(stored.metadata.model_type, UNDECLARED)
    found = stored.metadata.schema_version
    model = stored.model
    for version in range(found, known.version):
        step = known.steps.get(version)
        if step is None:
            raise UnknownModelSchema(entry.key, found=found, known=known.version)
        model = step(model)
    if found > known.version:
        raise UnknownModelSchema(entry.key, found=found, known=known.version)
    return replace(stored, model=model, metadata=replace(stored.metadata, schema_version=known.version))


def parse_entry(entry: KvEntry) -> StoredModel:
    """The model in an entry of the bucket, in the version that it is of. Raises EncodingError where it is none."""
    model_type, _, id = entry.key.partition(".")
    try:
        value = cast("dict[str, dict[str, Value]]", decode(entry.value))
        metadata = value["metadata"]
        return StoredModel(
            model=dict(value["model"]),
            metadata=ReadModelMetadata(
                id=id,
                model_type=model_type,
                schema_version=int(cast(int, metadata["schema_version"])),
                last_updated=parse_time(cast(str, metadata["last_updated"])),
                last_event_position=int(cast(int, metadata["last_event_position"])),
                metadata=dict(cast("Model", metadata.get("metadata", {}))),
            ),
            revision=entry.revision,
        )
    except (PersistenceError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise EncodingError(
            f"{entry.key} of {entry.bucket} at revision {entry.revision:,} is no read model ({error}); write it again, or delete the key."
        ) from error
