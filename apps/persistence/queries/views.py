"""This module is materialized views: the models of a bucket that meet some filters, kept in a bucket of their own as they change.

A view is declared in the bucket `cim-views`; a worker feeds its contents, `cim-view-{name}`, which have the form of read models and are
queried like any others. Sorting and paging belong to the query over a view, not to the view.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import EncodingError, InvalidInput, KeyNotFound, PersistenceError, RevisionConflict, StreamNotFound
from ..events import format_time, now, parse_time
from ..read_models import READ_MODELS_BUCKET, Filter, Op, StoredModel, check_field, field_of
from ..store import Connection, KvEntry, ensure_bucket, get_stream, kv_all, kv_get, kv_put
from ..subjects import check_pattern, check_token, matches

VIEWS_BUCKET = "cim-views"
_STATUS_HISTORY = 5
MAX_FIELDS = 50
MAX_FILTERS = 20
MAX_VALUES = 50
MAX_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which models of the bucket `source` are in it: those whose keys match `pattern` and that meet every filter, with these `fields`."""

    name: str
    source: str
    pattern: str = ">"
    filters: tuple[Filter, ...] = ()
    fields: tuple[str, ...] = ()
    created: datetime | None = None

    def __post_init__(self) -> None:
        check_token(self.name, "a view's name")
        check_token(self.source, "a bucket")
        check_pattern(self.pattern)
        for name in self.fields:
            check_field(name)

    @property
    def bucket(self) -> str:
        """Where its contents lie."""
        return f"cim-view-{self.name}"

    @property
    def status_name(self) -> str:
        """Under which type `find_projection_status` tells how it stands."""
        return f"view-{self.name}"

    def accepts(self, stored: StoredModel) -> bool:
        """Whether a model is in it."""
        return matches(self.pattern, stored.key) and all(one.accepts(stored.model) for one in self.filters)

    def content_of(self, stored: StoredModel) -> StoredModel:
        """The model as it stands in the view."""
        if not self.fields:
            return stored
        found = {name: field_of(stored.model, name) for name in self.fields}
        return replace(stored, model={name: value for name, value in found.items() if value is not None})


def check_bounds(view: View) -> None:
    """Whether a view that is to be made is small enough to be kept with every change. Raises InvalidInput saying what is too much."""
    if len(view.fields) > MAX_FIELDS:
        raise InvalidInput(f"fields has {len(view.fields):,} names; a view holds at most {MAX_FIELDS} fields, or all.")
    if len(view.filters) > MAX_FILTERS:
        raise InvalidInput(f"filters has {len(view.filters):,} conditions; a view has at most {MAX_FILTERS}.")
    for name in (*view.fields, *(one.field for one in view.filters)):
        _check_text("the name of a field", name)
    for one in view.filters:
        values = one.value if isinstance(one.value, list) else [one.value]
        if len(values) > MAX_VALUES:
            raise InvalidInput(f"The filter on {one.field} has {len(values):,} values; it has at most {MAX_VALUES}.")
        for value in values:
            _check_text(f"a value of the filter on {one.field}", value if isinstance(value, str) else repr(value))


def _check_text(what: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"{text[:60]!r}… has {len(text):,} characters; {what} has at most {MAX_TEXT}.")


async def create_view(connection: Connection, view: View) -> View:
    """Declare a view, whose contents a worker then keeps; the very same one that is there already is returned as it is.

    Raises StreamNotFound where the source is missing, InvalidInput where the name is taken by another view, or where it is too large.
    """
    check_bounds(view)
    await get_stream(connection, f"KV_{view.source}")
    await ensure_bucket(connection, VIEWS_BUCKET)
    await ensure_bucket(connection, READ_MODELS_BUCKET, history=_STATUS_HISTORY)
    await ensure_bucket(connection, view.bucket)
    declared = replace(view, created=now())
    try:
        await kv_put(connection, VIEWS_BUCKET, view.name, _to_bytes(declared), expected_revision=0)
    except RevisionConflict:
        found = await get_view(connection, view.name)
        if replace(found, created=None) != replace(view, created=None):
            raise InvalidInput(f"There is another view {view.name}, of {found.source}; drop it first, or choose another name.") from None
        return found
    return declared


async def get_view(connection: Connection, name: str) -> View:
    """One view. Raises KeyNotFound."""
    with suppress(StreamNotFound):
        if entry := await kv_get(connection, VIEWS_BUCKET, check_token(name, "a view's name"), leader=True):
            return _parse(entry)
    raise KeyNotFound(f"There is no view {name[:80]!r}; see the list of read models.")


async def list_views(connection: Connection) -> list[View]:
    """Every view, by name."""
    try:
        entries = await kv_all(connection, VIEWS_BUCKET)
    except StreamNotFound:
        return []
    return sorted((_parse(entry) for entry in entries), key=lambda view: view.name)


async def drop_view(connection: Connection, name: str) -> None:
    """Forget a view and delete its contents. Raises KeyNotFound."""
    view = await get_view(connection, name)
    await connection.api(f"STREAM.PURGE.KV_{VIEWS_BUCKET}", {"filter": f"$KV.{VIEWS_BUCKET}.{name}"}, stream=f"KV_{VIEWS_BUCKET}")
    with suppress(StreamNotFound):
        await connection.api(f"STREAM.DELETE.KV_{view.bucket}", stream=f"KV_{view.bucket}")


def _to_bytes(view: View) -> bytes:
    filters: list[Value] = [{"field": one.field, "op": one.op.value, "value": one.value} for one in view.filters]
    fields: dict[str, Value] = {
        "name": view.name,
        "source": view.source,
        "pattern": view.pattern,
        "filters": filters,
        "fields": list(view.fields),
        "created": format_time(view.created or now()),
    }
    return encode(fields)


def _parse(entry: KvEntry) -> View:
    try:
        known = cast("Mapping[str, Value]", decode(entry.value))
        filters = cast("list[Mapping[str, Value]]", known["filters"])
        return View(
            name=cast(str, known["name"]),
            source=cast(str, known["source"]),
            pattern=cast(str, known["pattern"]),
            filters=tuple(Filter(field=cast(str, one["field"]), op=Op(cast(str, one["op"])), value=one["value"]) for one in filters),
            fields=tuple(cast("list[str]", known["fields"])),
            created=parse_time(cast(str, known["created"])),
        )
    except (PersistenceError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise EncodingError(f"{entry.key} of {entry.bucket} at revision {entry.revision:,} is no view ({error}).") from error
