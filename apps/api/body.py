"""This module is reading what programs send: a JSON object of a known shape, and parameters of an operation as its form takes them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, TypeVar, get_type_hints

from django.http import HttpRequest

from apps.persistence.work.parameters import Parameter
from apps.runs.catalogue import Choice

from .problems import Refused, invalid
from .shapes import FieldProblem

BODY_BYTES = 1_048_576
_WORDS = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list of texts"}

S = TypeVar("S")
Typed = str | Sequence[str]


def read_body(request: HttpRequest, shape: type[S]) -> S:
    """The body as a dataclass of this kind. Raises Refused naming each field that is wrong."""
    given, hints = _object_in(request), get_type_hints(shape)
    fields = {one.name: one for one in dataclasses.fields(shape)}  # type: ignore[arg-type]
    known = f"; there is {', '.join(fields)}" if fields else "; leave the body empty"
    wrong = [FieldProblem(field=name, message=f"{name[:60]!r} is no field here{known}.") for name in given.keys() - fields.keys()]
    for name, one in fields.items():
        wanted = dict if hints[name] not in _WORDS else hints[name]
        if name in given and not _is(given[name], wanted):
            wrong.append(FieldProblem(field=name, message=f"{name} must be {_WORDS[wanted]}, and it is {_shown(given[name])}."))
        elif name not in given and one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            wrong.append(FieldProblem(field=name, message=f"{name} is missing; it is {_WORDS[wanted]}."))
    if wrong:
        raise invalid(*wrong)
    return shape(**given)


def typed_from(choice: Choice, given: dict[str, Any]) -> dict[str, Typed]:
    """The parameters as the operation's form takes them. Raises Refused naming each that is unknown or of another kind."""
    known = {parameter.name: parameter for parameter in choice.parameters}
    names = ", ".join(known) or "none"
    wrong = [_field(name, f"{choice.title} has no parameter {name[:60]!r}; it has {names}.") for name in given.keys() - known.keys()]
    typed: dict[str, Typed] = {}
    for name in known.keys() & given.keys():
        parameter, value = known[name], given[name]
        if value is None and not parameter.is_required:
            continue
        if not _fits(parameter, value):
            wrong.append(_field(name, f"{name} must be {_kind_words(parameter)}, and it is {_shown(value)}."))
        else:
            typed[name] = _text_of(parameter, value)
    if wrong:
        raise invalid(*sorted(wrong, key=lambda one: one.field))
    return typed


def _object_in(request: HttpRequest) -> dict[str, Any]:
    raw = request.read(BODY_BYTES + 1)
    if len(raw) > BODY_BYTES:
        raise Refused("too-large", f"The body is larger than {BODY_BYTES:,} bytes, and no operation needs so much.")
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is JSON, and no text
    except (ValueError, RecursionError) as error:
        raise Refused("invalid-input", f"The body is not JSON: {str(error)[:200] or 'it is nested too deeply'}.") from error
    if not isinstance(value, dict):
        raise Refused("invalid-input", "The body must be a JSON object, such as {}.")
    return value


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and (kind is not int or not isinstance(value, bool))


def _fits(parameter: Parameter, value: Any) -> bool:
    match parameter.kind:
        case "number":
            return _is(value, int)
        case "switch":
            return _is(value, bool)
        case "many":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case "place":
            return isinstance(value, str) or _is(value, int)
    return isinstance(value, str)


def _kind_words(parameter: Parameter) -> str:
    words = {"number": _WORDS[int], "switch": _WORDS[bool], "many": _WORDS[list], "place": "a sequence, or a text"}
    return words.get(parameter.kind, _WORDS[str])


def _text_of(parameter: Parameter, value: Any) -> Typed:
    if parameter.kind == "switch":
        return "on" if value else "off"
    if parameter.kind == "many":
        return value if parameter.has_choices else "\n".join(value)
    return str(value)


def _field(name: str, message: str) -> FieldProblem:
    return FieldProblem(field=f"parameters.{name[:60]}", message=message)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]
