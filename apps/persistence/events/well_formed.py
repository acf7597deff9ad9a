"""This module is the quick look at a decoded block: whether it is beyond doubt an event, so that the slow checks can be left out.

It knows one answer, yes. Whatever it doubts (a rare form, a fault) goes to the checks that give the reason.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from ..encoding import Cid, Value
from ..encoding.cid import is_ours
from .aggregate import AggregateRef

AGGREGATE_FIELDS = frozenset({"context", "type", "id"})
_TOKEN = "[A-Za-z0-9_-]{1,128}"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TIME = r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
_TEXTS = re.compile("\n".join([_TOKEN] * 4 + [_UUID] * 3 + [_TIME]))
_GREATEST_NUMBER = 2**63 - 1


def find_aggregate(value: dict[str, Value]) -> AggregateRef | None:
    """The aggregate of a decoded block that has exactly an event's fields, if every text in it is well-formed; else None."""
    aggregate = value["aggregate"]
    if type(aggregate) is not dict or aggregate.keys() != AGGREGATE_FIELDS:
        return None
    context, kind, entity = aggregate["context"], aggregate["type"], aggregate["id"]
    correlation, causation = value["correlation"], value["causation"]
    texts = (context, kind, entity, value["type"], value["id"], correlation, correlation if causation is None else causation, value["time"])
    try:
        if not _TEXTS.fullmatch("\n".join(texts)):  # type: ignore[arg-type]
            return None
    except TypeError:
        return None
    return _ref(context, kind, entity)  # type: ignore[arg-type]


def is_well_formed(value: dict[str, Value]) -> bool:
    """Whether the numbers, the link, the actor and the maps of a decoded block are those of an event."""
    version, schema, actor, previous = value["version"], value["schema"], value["actor"], value["previous"]
    if type(version) is not int or type(schema) is not int or not 1 <= version <= _GREATEST_NUMBER or not 1 <= schema <= _GREATEST_NUMBER:
        return False
    if type(previous) is Cid:
        if version == 1 or not is_ours(previous.raw):
            return False
    elif previous is not None or version != 1:
        return False
    if type(actor) is not str or not actor or type(value["scope"]) is not str:
        return False
    return type(value["payload"]) is dict and type(value["metadata"]) is dict


def find_time(text: str) -> datetime | None:
    """The moment that a well-formed text names, or None where there is no such day or second."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@lru_cache(maxsize=16_384)
def _ref(context: str, kind: str, entity: str) -> AggregateRef:
    return AggregateRef(context, kind, entity)
