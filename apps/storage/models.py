"""This module is where read models lie: the buckets that projections build, that of models of no projection, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.projections import ProjectionDefinition, ProjectionStatus, bucket_of, list_records, placed, project_status
from apps.persistence.read_models import READ_MODELS_BUCKET, ModelsStatus, list_projection_statuses
from apps.persistence.store import Connection, Store, StreamInfo, get_stream, list_streams
from apps.registry import registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """One bucket of models. `status` is that of the projection that builds them, None where none of this console does.

    `written` is what a worker wrote down of it for readers; `others` counts keys that are no models.
    """

    bucket: str
    info: StreamInfo
    status: ProjectionStatus | None = None
    written: ModelsStatus | None = None
    others: int = 0

    @property
    def row_id(self) -> str:
        return f"models-{self.bucket}"

    @property
    def title(self) -> str:
        return self.status.definition.title if self.status else self.bucket

    @property
    def definition(self) -> ProjectionDefinition | None:
        return self.status.definition if self.status else None

    @property
    def count(self) -> int:
        """How many there are, deleted ones included until they are purged."""
        return max(0, self.info.subject_count - self.others)


async def list_models(store: Store) -> list[Models]:
    """Every bucket of models that readers use, those of domains before the built-in ones. Raises Unavailable."""
    streams = {stream.name: stream for stream in await list_streams(store.connection)}
    written = await list_projection_statuses(store.connection)
    found = [
        Models(bucket=bucket, info=streams[f"KV_{bucket}"], status=status, written=written.get(status.name), others=1)
        for bucket, status in await _built(store.connection)
        if f"KV_{bucket}" in streams
    ]
    found.sort(key=lambda one: (one.definition is not None and one.definition.is_builtin, one.title.lower()))
    own = streams.get(f"KV_{READ_MODELS_BUCKET}")
    return [*([Models(bucket=READ_MODELS_BUCKET, info=own, others=len(written))] if own else []), *found]


async def get_models(store: Store, bucket: str) -> Models:
    """The models of any bucket. Raises StreamNotFound, Unavailable."""
    info = await get_stream(store.connection, f"KV_{bucket}")
    status = dict(await _built(store.connection)).get(bucket)
    return Models(bucket=bucket, info=info, status=status, others=1 if status else 0)


async def _built(connection: Connection) -> list[tuple[str, ProjectionStatus]]:
    """Each projection's serving bucket, of those that were ever run and have one."""
    serving = {record.name: bucket_of(record.name, record.serving) for record in await list_records(connection)}
    wanted = [one for one in registry().projections.values() if one.target is None and one.name in serving]
    statuses = await project_status(connection, [placed(connection, one) for one in wanted])
    return [(serving[status.name], status) for status in statuses]
