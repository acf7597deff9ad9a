"""This module is one read model: its fields, what is known of it, its revisions, how fresh it is, and the events that made it."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.encoding import encode
from apps.persistence.errors import EncodingError
from apps.persistence.read_models import StoredModel, parse_entry
from apps.persistence.store import Message, Store, get_stream, to_entry

from .key import KeyQuery, KeyView, read_key
from .makers import Makers, find_makers
from .models import Models, get_models


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """`stored` is None where the key holds no model in the revision that is shown; `problem` says why.

    `fields` is the model alone, as a message. `stream_end` is the last sequence of the projection's stream, 0 where there is none.
    """

    models: Models
    view: KeyView
    stored: StoredModel | None
    fields: Message | None
    stream: str
    stream_end: int
    makers: Makers | None
    problem: str = ""

    @property
    def behind(self) -> int | None:
        """Events that the projection has yet to apply, None where that is not known."""
        return self.models.status.lag if self.models.status else None


async def read_model(store: Store, bucket: str, key: str, query: KeyQuery, *, events_before: int | None) -> ModelView:
    """A model with all that is known of it. Raises NotFound, InvalidInput, Unavailable."""
    models = await get_models(store, bucket)
    view = await read_key(store, bucket, key, query)
    stored, problem = _parsed(bucket, view.message)
    definition = models.definition
    end = (await get_stream(store.connection, definition.stream)).last_sequence if definition else 0
    before = events_before or ((stored.metadata.last_event_position if stored else end) + 1)
    return ModelView(
        models=models,
        view=view,
        stored=stored,
        fields=view.message._replace(data=encode(stored.model), raw_headers=b"") if stored and view.message else None,
        stream=definition.stream if definition else "",
        stream_end=end,
        makers=await find_makers(store, definition, key, before=before) if definition else None,
        problem=problem,
    )


def _parsed(bucket: str, message: Message | None) -> tuple[StoredModel | None, str]:
    if message is None:
        return None, ""
    entry = to_entry(bucket, message)
    if entry.operation != "put":
        return None, "The model was deleted; the revisions before it, if any, are below."
    try:
        return parse_entry(entry), ""
    except EncodingError as error:
        return None, str(error)
