"""This module is reading a payload into the dataclass that declares it, and writing it back: what is missing, wrong or unknown is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from apps.persistence.encoding import Cid, Value
from apps.persistence.errors import InvalidInput
from apps.persistence.events import format_time, parse_time

from .shape import Kind, Shape, shape_of, without_none, wrapped_by

C = TypeVar("C")
_WANTED: Mapping[Kind, tuple[tuple[type, ...], str]] = {
    "text": ((str,), "text"),
    "lines": ((str,), "text"),
    "choice": ((str,), "text"),
    "date": ((str,), "a day such as 2026-11-21"),
    "time": ((str,), "a time such as 2026-11-21T10:40:31Z"),
    "number": ((int,), "a whole number"),
    "decimal": ((int, float), "a number"),
    "switch": ((bool,), "true or false"),
    "cid": ((Cid,), "a CID"),
    "group": ((dict,), "a map"),
    "map": ((dict,), "a map"),
    "list": ((list,), "a list"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one field; `path` is where it stands, such as `unit_price.cents` or `skills.0`, empty for the whole."""

    path: str
    sentence: str


class InvalidFields(InvalidInput):
    """A payload that cannot be read; `problems` says it field by field."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(problem.sentence for problem in problems))
        self.problems = tuple(problems)


def read_payload(declared: type[C], payload: Value) -> C:
    """The command or query that a payload holds. Raises InvalidFields with every problem that was found."""
    problems: list[Problem] = []
    read = _read(shape_of(declared), payload, "", problems)
    if problems:
        raise InvalidFields(problems)
    return cast(C, read)


def to_payload(declared: Any) -> dict[str, Value]:
    """The payload that `read_payload` reads again. Fields that are None are left out."""
    named = ((field.name, getattr(declared, field.name)) for field in dataclasses.fields(declared) if field.init)
    return {name: _written(value) for name, value in named if value is not None}


def _read(shape: Shape, value: Value, path: str, problems: list[Problem]) -> Any:
    """The typed value, or None where a problem was noted."""
    types, what = _WANTED.get(shape.kind, ((), ""))
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        problems.append(Problem(path=path, sentence=f"{path or 'The payload'} is {_shown(value)}; it must be {what}."))
        return None
    before = len(problems)
    match shape.kind:
        case "group":
            parts: Any = _read_group(shape, cast("dict[str, Value]", value), path, problems)
        case "list":
            parts = [_read(_entry(shape), one, f"{path}.{at}", problems) for at, one in enumerate(cast("list[Value]", value))]
        case "map":
            parts = {name: _read(_entry(shape), one, f"{path}.{name}", problems) for name, one in cast("dict[str, Value]", value).items()}
        case _:
            parts = value
    return _made(shape, parts, path, problems) if len(problems) == before else None


def _read_group(shape: Shape, value: dict[str, Value], path: str, problems: list[Problem]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for field in shape.fields:
        place = _join(path, field.name)
        if value.get(field.name) is not None:
            read[field.name] = _read(field, value[field.name], place, problems)
        elif field.is_required:
            problems.append(Problem(path=place, sentence=f"The command lacks {place}."))
        elif not _has_default(shape.type, field.name):
            read[field.name] = None
    unknown = sorted(value.keys() - {field.name for field in shape.fields})
    if unknown:
        problems.append(Problem(path=path, sentence=f"{path or 'The command'} holds {', '.join(unknown)}, which it does not take."))
    return read


def _made(shape: Shape, parts: Any, path: str, problems: list[Problem]) -> Any:
    try:
        return _make(shape.type, shape.kind, parts)
    except (InvalidInput, ValueError, TypeError) as error:
        problems.append(Problem(path=path, sentence=str(error)))
        return None


def _make(hint: Any, kind: Kind, parts: Any) -> Any:
    """The value of exactly this annotation. A value object checks itself."""
    inner = wrapped_by(hint)
    if inner is not None and kind != "group":
        wrapped, _ = without_none(get_type_hints(hint)[inner.name])
        return hint(**{inner.name: _make(wrapped, kind, parts)})
    if kind == "group":
        return hint(**parts)
    if kind == "choice":
        return _word(hint, parts)
    if kind == "date":
        return date.fromisoformat(parts)
    if kind == "time":
        return parse_time(parts)
    if kind == "decimal":
        return float(parts)
    if kind == "list":
        return (get_origin(hint) or tuple)(parts)
    return parts


def _word(hint: Any, text: str) -> Any:
    words = tuple(one.value for one in hint) if isinstance(hint, type) and issubclass(hint, StrEnum) else get_args(hint)
    if words and text not in words:
        raise InvalidInput(f"{_shown(text)} cannot be chosen: use {', '.join(words)}.")
    return hint(text) if isinstance(hint, type) else text


def _written(value: Any) -> Value:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, frozenset | set):
        return sorted((_written(one) for one in value), key=str)
    if isinstance(value, tuple | list):
        return [_written(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _written(one) for name, one in value.items() if one is not None}
    return _written_record(value) if dataclasses.is_dataclass(value) and not isinstance(value, Cid) else cast(Value, value)


def _written_record(value: Any) -> Value:
    inner = wrapped_by(type(value))
    return to_payload(value) if inner is None else _written(getattr(value, inner.name))


def _has_default(declared: Any, name: str) -> bool:
    (field,) = (field for field in dataclasses.fields(declared) if field.name == name)
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _entry(shape: Shape) -> Shape:
    assert shape.entry is not None, shape.name
    return shape.entry


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
