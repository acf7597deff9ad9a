"""This module is where read models lie: the buckets that projections build, that of models of no projection, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.projections import ProjectionDefinition, ProjectionStatus, bucket_of, list_records, placed, project_status
from apps.persistence.queries import View, list_views
from apps.persistence.read_models import READ_MODELS_BUCKET, ModelsStatus, list_projection_statuses
from apps.persistence.store import Connection, Store, StreamInfo, get_stream, list_streams
from apps.registry import registry

VIEW_PREFIX = "cim-view-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """One bucket of models. `status` is that of the projection that builds them, None where none of this console does.

    `view` is the view whose contents they are, if they are.
    `written` is what a worker wrote down of it for readers; `others` counts keys that are no models.
    """

    bucket: str
    info: StreamInfo
    status: ProjectionStatus | None = None
    written: ModelsStatus | None = None
    others: int = 0
    view: View | None = None

    @property
    def row_id(self) -> str:
        return f"models-{self.bucket}"

    @property
    def title(self) -> str:
        return self.status.definition.title if self.status else self.view.name if self.view else self.bucket

    @property
    def status_name(self) -> str:
        """Under which type its status is written for readers."""
        return self.view.status_name if self.view else self.status.name if self.status else ""

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
    views = [
        Models(bucket=view.bucket, info=streams[f"KV_{view.bucket}"], view=view, written=written.get(view.status_name), others=1)
        for view in await list_views(store.connection)
        if f"KV_{view.bucket}" in streams
    ]
    own = streams.get(f"KV_{READ_MODELS_BUCKET}")
    return [*([Models(bucket=READ_MODELS_BUCKET, info=own, others=len(written))] if own else []), *views, *found]


async def get_models(store: Store, bucket: str) -> Models:
    """The models of any bucket. Raises StreamNotFound, Unavailable."""
    info = await get_stream(store.connection, f"KV_{bucket}")
    status = dict(await _built(store.connection)).get(bucket)
    views = await list_views(store.connection) if bucket.startswith(VIEW_PREFIX) else []
    view = next((view for view in views if view.bucket == bucket), None)
    return Models(bucket=bucket, info=info, status=status, view=view, others=1 if status or view else 0)


async def _built(connection: Connection) -> list[tuple[str, ProjectionStatus]]:
    """Each projection's serving bucket, of those that were ever run and have one."""
    serving = {record.name: bucket_of(record.name, record.serving) for record in await list_records(connection)}
    wanted = [one for one in registry().projections.values() if one.target is None and one.name in serving]
    statuses = await project_status(connection, [placed(connection, one) for one in wanted])
    return [(serving[status.name], status) for status in statuses]
