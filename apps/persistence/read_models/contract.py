"""This module is what every store of read models can do; code that takes `ReadModels` runs on a bucket, and in memory in its unit tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from ..encoding import Value
from .model import Model, StoredModel
from .options import QueryOptions, QueryResult


class ReadModels(Protocol):
    """Read models by type and id."""

    async def save(
        self,
        model_type: str,
        id: str,
        model: Model,
        *,
        last_event_position: int = 0,
        metadata: Mapping[str, Value] | None = None,
        expected_revision: int | None = None,
    ) -> StoredModel:
        """Store the model; with `expected_revision` only if its key is at that revision (0: it must not exist), else RevisionConflict."""

    async def load(self, model_type: str, id: str) -> StoredModel | None:
        """The model and what is known of it, or None."""

    async def find(self, key: str) -> StoredModel | None:
        """The same by its key."""

    async def delete(self, model_type: str, id: str) -> int:
        """Mark the model as deleted and return the revision of the mark."""

    async def list(self, model_type: str, *, limit: int = 100, offset: int = 0) -> QueryResult:
        """The models of a type in the order of their ids, a page of them."""

    async def query(self, options: QueryOptions) -> QueryResult:
        """The models that meet the query."""

    def scan(self, pattern: str = ">") -> AsyncIterator[tuple[StoredModel, ...]]:
        """Every model whose key matches, in the order of keys, up to 1,000 at a time."""
