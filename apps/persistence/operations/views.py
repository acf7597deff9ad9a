"""This module is making and dropping materialized views: models that meet some filters, kept in a bucket of their own by the workers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput, KeyNotFound
from ..queries import View, check_bounds, create_view, drop_view, get_view, list_views
from ..read_models import Filter, Op, QueryOptions, ReadModelStore
from ..registry import Registry
from ..store import Store, get_stream
from ..work.operation import Change, Outcome, Plan, Progress
from .stream_choices import every_bucket

_SYNTAX = "field comparison value, such as total_cents ge 5000; several are parted by semicolons"


async def every_view(store: Store, registry: Registry) -> Sequence[str]:
    """Every view."""
    return [view.name for view in await list_views(store.connection)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView:
    """Keeps the models that meet some filters in a bucket of their own, which follows them from then on."""

    title: ClassVar[str] = "Create a view"
    permission: ClassVar[str] = "operations.create_view"

    name: str = field(metadata={"help": "Its name: letters, digits, _ and -."})
    bucket: str = field(metadata={"help": "The bucket of models that it is a view of.", "choices": every_bucket})
    pattern: str = field(default=">", metadata={"help": "Which keys: * stands for one word, > for the rest."})
    filters: str = field(default="", metadata={"help": f"What the models must meet, at most 20 conditions: {_SYNTAX}."})
    fields: str = field(default="", metadata={"help": "Which fields it holds, by commas, at most 50. Empty: all."})

    @property
    def target(self) -> str:
        """One change at a time for each view."""
        return f"view/{self.name}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What it would hold now. Raises InvalidInput for what cannot be a view, or is there, StreamNotFound."""
        view = self._view()
        info = await get_stream(store.connection, f"KV_{view.source}")
        if self.name in await every_view(store, registry):
            raise InvalidInput(f"name is {self.name[:80]!r}, and there is such a view; drop that one, or choose another name.")
        models = ReadModelStore(connection=store.connection, bucket=view.source, as_stored=True)
        found = await models.query(QueryOptions(pattern=view.pattern, filters=view.filters, limit=0))
        return Plan(
            summary=f"Create the view {self.name} of {self.bucket}",
            saw={"exists": False, "created": str(info.created)},
            changes=(
                Change(what="Models in it now", now="–", after=f"{found.total_count:,} of {found.scanned:,} whose keys match"),
                Change(what="Contents lie in", now="–", after=view.bucket),
            ),
            notes=("A worker feeds it, and goes on for as long as the view is there.",),
            undo="Drop the view.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Declare it; the very same one that an interrupted attempt made is taken as done."""
        view = await create_view(store.connection, self._view())
        return Outcome(sentence=f"The view {view.name} of {view.source} is declared; workers keep its contents in {view.bucket}.")

    def _view(self) -> View:
        names = tuple(dict.fromkeys(name.strip() for name in self.fields.split(",") if name.strip()))
        view = View(name=self.name, source=self.bucket, pattern=self.pattern, filters=parse_filters(self.filters), fields=names)
        check_bounds(view)
        return view


@dataclass(frozen=True, slots=True, kw_only=True)
class DropView:
    """Forgets a view and deletes its contents; the models that it was made of are not touched."""

    title: ClassVar[str] = "Drop a view"
    permission: ClassVar[str] = "operations.drop_view"

    name: str = field(metadata={"help": "The view.", "choices": every_view})

    @property
    def target(self) -> str:
        """One change at a time for each view."""
        return f"view/{self.name}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What goes. Raises KeyNotFound."""
        view = await get_view(store.connection, self.name)
        return Plan(
            summary=f"Drop the view {self.name}",
            saw={"created": str(view.created)},
            changes=(Change(what="Contents", now=view.bucket, after="gone"),),
            notes=(f"The models in {view.source} stay as they are.",),
            undo="Create the view again; it is then filled anew.",
            confirm_with=self.name,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Drop it; a second attempt finds nothing and ends the same."""
        with suppress(KeyNotFound):
            await drop_view(store.connection, self.name)
        return Outcome(sentence=f"The view {self.name} is dropped, and its contents are deleted.")


def parse_filters(text: str) -> tuple[Filter, ...]:
    """`total ge 5; status eq open`: a value is JSON where it reads as such, else text. Raises InvalidInput naming what cannot be read."""
    return tuple(_filter(part.strip()) for part in text.split(";") if part.strip())


def _filter(text: str) -> Filter:
    name, op, value = (*text.split(None, 2), "", "")[:3]
    if op not in list(Op):
        raise InvalidInput(f"filters has {text[:60]!r}; write {_SYNTAX}. Comparisons are {', '.join(Op)}.")
    try:
        return Filter(field=name, op=Op(op), value=json.loads(value))
    except (ValueError, RecursionError):
        return Filter(field=name, op=Op(op), value=value)
