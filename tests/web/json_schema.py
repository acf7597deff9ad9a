"""This module is a strict check of JSON values against the part of JSON Schema that our document uses; an unknown keyword is a fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_WORDS = {"description", "default", "properties", "required", "additionalProperties", "items", "type", "enum", "format", "anyOf", "$ref"}
_WORDS |= {"minimum", "maximum"}


def violations(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "$") -> list[str]:
    """Each thing in `value` that the schema does not allow."""
    unknown = schema.keys() - _WORDS
    if unknown:
        return [f"{at}: this check does not know {sorted(unknown)}"]
    if "$ref" in schema:
        return violations(value, _referred(schema["$ref"], document), document, at)
    if "anyOf" in schema:
        tries = [violations(value, one, document, at) for one in schema["anyOf"]]
        return [] if any(not found for found in tries) else [f"{at}: none of {len(tries)} fits: {tries}"]
    return [*_plain(value, schema, at), *_inner(value, schema, document, at)]


def _plain(value: Any, schema: dict[str, Any], at: str) -> list[str]:
    types = schema.get("type", list(_TYPES))
    types = [types] if isinstance(types, str) else types
    if not any(_TYPES[one](value) for one in types):
        return [f"{at}: {value!r} is not of type {types}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is not one of {schema['enum']}")
    if schema.get("format") == "date-time" and not _TIME.fullmatch(value):
        found.append(f"{at}: {value!r} is no time")
    if _TYPES["number"](value) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{at}: {value!r} is out of its limits")
    return found


def _inner(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str) -> list[str]:
    found = []
    if isinstance(value, list) and "items" in schema:
        for place, item in enumerate(value):
            found += violations(item, schema["items"], document, f"{at}[{place}]")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
        if schema.get("additionalProperties") is False:
            found += [f"{at}: {name} is in no schema" for name in value.keys() - known.keys()]
        for name in known.keys() & value.keys():
            found += violations(value[name], known[name], document, f"{at}.{name}")
    return found


def _referred(reference: str, document: dict[str, Any]) -> dict[str, Any]:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    assert isinstance(found, dict)
    return found
