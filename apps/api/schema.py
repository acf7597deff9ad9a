"""This module is dataclasses as JSON and as JSON Schema (draft 2020-12), so that the document cannot say other than the answers do."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from apps.persistence.transfer.dag_json import NoDagJson
from apps.persistence.transfer.dag_json import to_json as value_to_json

_PLAIN: Final[dict[Any, dict[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    NoneType: {"type": "null"},
    Any: {},
}


def to_json(value: Any) -> Any:
    """A dataclass, or what its fields hold, as `json` writes it. A field that may be left out and holds None is left out."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case tuple() | list():
            return [to_json(item) for item in value]
        case dict():
            return _map_to_json(value)
    if dataclasses.is_dataclass(value):
        fields = [(one, getattr(value, one.name)) for one in dataclasses.fields(value)]
        return {one.name: to_json(held) for one, held in fields if held is not None or not _may_lack(one)}
    return value


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """The schema of a dataclass; those that its fields hold are referred to by name."""
    hints, fields = get_type_hints(kind), dataclasses.fields(kind)
    required = [one.name for one in fields if not _may_lack(one)]
    return {
        "type": "object",
        "description": " ".join(inspect.cleandoc(kind.__doc__ or "").split()),
        "properties": {one.name: _schema(hints[one.name]) for one in fields},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def name_of(kind: type[Any]) -> str:
    """What a dataclass is called in the document."""
    return kind.__name__.removesuffix("Shape")


def reference_to(kind: type[Any]) -> dict[str, Any]:
    """What stands for the schema of a dataclass in another."""
    return {"$ref": f"#/components/schemas/{name_of(kind)}"}


def shapes_in(kind: type[Any]) -> set[type[Any]]:
    """The dataclass and all that it holds."""
    found = {kind}
    for hint in get_type_hints(kind).values():
        for inner in (hint, *_arguments(hint)):
            if dataclasses.is_dataclass(inner) and isinstance(inner, type):
                found |= shapes_in(inner)
    return found


def _schema(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"type": "string", "enum": [one.value for one in hint]}
    if get_origin(hint) is dict:
        return {"type": "object"}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _schema(get_args(hint)[0])}
    if get_origin(hint) is UnionType:
        return {"anyOf": [_schema(one) for one in get_args(hint)]}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return reference_to(hint)
    raise TypeError(f"{hint} is no type of a field of the API; see the table at the top of this module.")


def _may_lack(one: dataclasses.Field[Any]) -> bool:
    return one.default is not dataclasses.MISSING or one.default_factory is not dataclasses.MISSING


def _arguments(hint: Any) -> list[Any]:
    return [inner for one in get_args(hint) for inner in (one, *_arguments(one))]


def _map_to_json(value: Mapping[str, Any]) -> Any:
    try:
        return value_to_json(dict(value))
    except NoDagJson:
        return str(value)
