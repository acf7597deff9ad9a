"""This module is the query that evidence can be taken by: the models of a materialized view, and which events made them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import EncodingError, InvalidEvent, InvalidInput, StreamNotFound
from ..projections import ProjectionDefinition
from ..queries import get_view
from ..read_models.model import is_model_key
from ..registry import Registry
from ..store import Message, Store, decode_event, kv_all
from ..subjects import matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Makers:
    """The events that made some models: those in which the projection names one of their keys."""

    definition: ProjectionDefinition
    keys: frozenset[str]

    def admit(self, store: Store, message: Message) -> bool:
        """Whether a message is one of them."""
        if not any(matches(pattern, message.subject) for pattern in self.definition.subjects):
            return False
        try:
            return not self.keys.isdisjoint(self.definition.keys(decode_event(store, message)))
        except (EncodingError, InvalidEvent):
            return False


async def makers_of(store: Store, registry: Registry, stream: str, view_name: str) -> Makers:
    """What made the models that are in a view now. Raises KeyNotFound, and InvalidInput where events of this stream made none of them."""
    view = await get_view(store.connection, view_name)
    found = [one for one in registry.projections.values() if re.fullmatch(rf"cim-{re.escape(one.name)}-[0-9]+", view.source)]
    if not found:
        raise InvalidInput(f"The view {view.name} is of {view.source}, which no projection here fills; nothing says which events made it.")
    if found[0].stream != stream:
        raise InvalidInput(f"The view {view.name} is of models that {found[0].stream} makes, not {stream}; take evidence of that stream.")
    try:
        entries = await kv_all(store.connection, view.bucket)
    except StreamNotFound:
        entries = []
    keys = frozenset(entry.key for entry in entries if is_model_key(entry.key))
    if not keys:
        raise InvalidInput(f"The view {view.name} holds no model at this moment, so no event made one; look whether its worker runs.")
    return Makers(definition=found[0], keys=keys)
