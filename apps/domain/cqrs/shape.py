"""This module is the shape of a command or query: what the annotations of its dataclass say to forms, and to reading its payload.

    str, int, float, bool                       a line of text, a whole number, a number, a switch
    StrEnum, Literal["a", "b"]                  one of some words
    date, datetime, Cid                         a day, a time with its zone, a CID
    tuple[X, ...], frozenset[X], list[X]        several
    dict[str, X]                                several, each under a name of its own
    a dataclass of one field                    a value object: in the payload it stands as what it wraps (`"sku": "LAMP-042"`)
    a dataclass of more                         a map of its fields
    X | None                                    may be left out
    anything else                               any JSON

A field is required unless it has a default. Its help is `field(metadata={"help": "…"})`, else the docstring of its type.
`metadata={"lines": True}` makes a text of several lines, `metadata={"choices": (…)}` a text that is one of some words.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from apps.persistence.encoding import Cid, Value

Kind = Literal["text", "lines", "number", "decimal", "switch", "choice", "date", "time", "cid", "group", "list", "map", "json"]

_SIMPLE: Mapping[Any, Kind] = {
    str: "text", int: "number", float: "decimal", bool: "switch", date: "date", datetime: "time", Cid: "cid",
}  # fmt: skip
_SEVERAL = (tuple, frozenset, list, set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One field, or the whole. `fields` are those of a group, `entry` what a list or map holds, `type` the annotation behind it."""

    name: str
    kind: Kind
    type: Any
    help: str = ""
    is_required: bool = True
    default: Any = None
    options: tuple[str, ...] = ()
    fields: tuple[Shape, ...] = ()
    entry: Shape | None = None

    @property
    def title(self) -> str:
        """The name as people read it."""
        return words_of(self.name)


def shape_of(declared: Any) -> Shape:
    """The shape of a command, a query or a value object of several fields: always a group, whose fields are the dataclass's."""
    return _group(declared)


@cache
def _group(declared: Any) -> Shape:
    return Shape(name="", kind="group", type=declared, help=help_of(declared), fields=_fields_of(declared))


def help_of(declared: Any) -> str:
    """The first paragraph of a class's own docstring, in one line; empty where it has none."""
    text = declared.__dict__.get("__doc__") or "" if isinstance(declared, type) else ""
    written = "" if text.startswith(f"{getattr(declared, '__name__', '')}(") else text
    return " ".join(written.strip().partition("\n\n")[0].replace("`", "").split())


def words_of(name: str) -> str:
    """`unit_price` as `Unit price`."""
    return name.replace("_", " ").strip().capitalize()


def wrapped_by(declared: Any) -> dataclasses.Field[Any] | None:
    """The one field of a value object that stands in payloads as what it wraps; None for any other type."""
    if not (isinstance(declared, type) and dataclasses.is_dataclass(declared)) or declared is Cid:
        return None
    fields = dataclasses.fields(declared)
    return fields[0] if len(fields) == 1 else None


def without_none(hint: Any) -> tuple[Any, bool]:
    """An annotation without `| None`, and whether it had it."""
    if get_origin(hint) not in (Union, UnionType) or NoneType not in get_args(hint):
        return hint, False
    rest = tuple(one for one in get_args(hint) if one is not NoneType)
    return (rest[0] if len(rest) == 1 else Union[rest]), True  # noqa: UP007


def _fields_of(declared: type[Any]) -> tuple[Shape, ...]:
    hints = get_type_hints(declared)
    return tuple(_field(field, hints[field.name]) for field in dataclasses.fields(declared) if field.init)


def _field(field: dataclasses.Field[Any], hint: Any) -> Shape:
    plain, may_be_none = without_none(hint)
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    has_default = default is not dataclasses.MISSING
    shape = _shape(field.name, plain, field.metadata)
    return dataclasses.replace(
        shape,
        help=str(field.metadata.get("help", "")) or shape.help,
        is_required=not has_default and not may_be_none,
        default=default if has_default else None,
    )


def _shape(name: str, hint: Any, metadata: Mapping[str, Any]) -> Shape:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _SIMPLE:
        return _simple(name, hint, metadata)
    if isinstance(hint, typing.NewType):
        return _shape(name, hint.__supertype__, metadata)
    if origin is Literal:
        return Shape(name=name, kind="choice", type=hint, options=tuple(str(one) for one in arguments))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Shape(name=name, kind="choice", type=hint, options=tuple(one.value for one in hint))
    if origin in _SEVERAL:
        return Shape(name=name, kind="list", type=hint, entry=_shape(name, without_none(arguments[0])[0], {}))
    if origin in (dict, Mapping) and arguments[0] is str and not _is_json(arguments[1]):
        return Shape(name=name, kind="map", type=hint, entry=_shape(name, without_none(arguments[1])[0], {}))
    return _record(name, hint, metadata)


def _simple(name: str, hint: Any, metadata: Mapping[str, Any]) -> Shape:
    options = tuple(str(one) for one in metadata.get("choices", ()))
    kind: Kind = "choice" if options else "lines" if hint is str and metadata.get("lines") else _SIMPLE[hint]
    return Shape(name=name, kind=kind, type=hint, options=options)


def _record(name: str, hint: Any, metadata: Mapping[str, Any]) -> Shape:
    if not (isinstance(hint, type) and dataclasses.is_dataclass(hint)):
        return Shape(name=name, kind="json", type=hint)
    inner = wrapped_by(hint)
    if inner is None:
        return dataclasses.replace(shape_of(hint), name=name)
    wrapped = _shape(name, without_none(get_type_hints(hint)[inner.name])[0], {**inner.metadata, **metadata})
    return dataclasses.replace(wrapped, type=hint, help=help_of(hint) or wrapped.help)


def _is_json(hint: Any) -> bool:
    return hint is Any or hint is object or hint == Value or get_origin(hint) in (Union, UnionType)
