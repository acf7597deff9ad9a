"""This module is records: frozen dataclasses whose annotations say how a payload is read into them and written from them.

A field is text, a number, a switch, a word of a `StrEnum`, a typed id, a time, a date, a CID, a value object, a record, several of one
kind (`tuple[X, ...]`), or named ones (`Mapping[str, X]`); `X | None` may be left out. What is missing, wrong or unknown is refused by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from apps.persistence.encoding import Cid, Value
from apps.persistence.errors import InvalidInput
from apps.persistence.events import format_time, parse_time

from .ids import EntityId

R = TypeVar("R", bound="Record")
_Read = Callable[[str, Value], Any]
MAX_ITEMS = 1_000
"""How many there may be in one list or map: what grows further is an aggregate of its own, which is referred to by its id."""


class Record:
    """A value of several fields. Made with an id of another kind than a field takes, it raises InvalidInput; so does its own `check`."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for field in fields_of(type(self)):
            _check_ids(field, getattr(self, field.name))
        self.check()

    def check(self) -> None:
        """What holds between fields; raises InvalidInput."""


@dataclass(frozen=True, slots=True)
class FieldOf:
    """One field of a record: `kind` is its annotation without `| None`."""

    name: str
    kind: Any
    is_required: bool


def fields_of(kind: type[Any]) -> tuple[FieldOf, ...]:
    """The fields that a record declares, in order."""
    return _fields_of(cast(Hashable, kind))


@cache
def _fields_of(kind: Any) -> tuple[FieldOf, ...]:
    hints = get_type_hints(kind)
    return tuple(FieldOf(field.name, _without_none(hints[field.name]), _is_required(field)) for field in dataclasses.fields(kind))


def ids_in(kind: type[Record]) -> Iterator[tuple[str, type[EntityId]]]:
    """The names of all fields of a record, and of the records in it, that hold typed ids."""
    for field in fields_of(kind):
        inner = get_args(field.kind)[-2 if get_origin(field.kind) is tuple else -1] if get_args(field.kind) else field.kind
        if isinstance(inner, type) and issubclass(inner, EntityId):
            yield field.name, inner
        elif isinstance(inner, type) and issubclass(inner, Record):
            yield from ids_in(inner)


def read_record(kind: type[R], value: Value, *, what: str = "The command", where: str = "", tolerant: bool = False) -> R:
    """Read a map into a record. With `tolerant`, fields that nobody knows are passed over. Raises InvalidInput."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{where or what} is {_shown(value)}; it must be a map.")
    fields = fields_of(kind)
    unknown = sorted(value.keys() - {field.name for field in fields})
    if unknown and not tolerant:
        raise InvalidInput(f"{where or what} holds {', '.join(unknown)}, which it does not take.")
    read: dict[str, Any] = {}
    for field in fields:
        place = f"{where}.{field.name}" if where else field.name
        if value.get(field.name) is not None:
            read[field.name] = _reader(field.kind)(place, value[field.name])
        elif field.is_required:
            raise InvalidInput(f"{what} lacks {place}.")
    return kind(**read)


def write(value: object) -> Value:
    """The value as it stands in an event. Fields that were left out are not written."""
    if isinstance(value, Record):
        written = ((field.name, getattr(value, field.name)) for field in fields_of(type(value)))
        return {name: write(inner) for name, inner in written if inner is not None}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [write(one) for one in value]
    if isinstance(value, Mapping):
        return {name: write(one) for name, one in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, Cid):
        return write(getattr(value, dataclasses.fields(value)[0].name))
    return cast(Value, value)


def written(record: Record) -> dict[str, Value]:
    """A whole record as it stands in an event."""
    return cast("dict[str, Value]", write(record))


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = [one for one in get_args(kind) if one is not NoneType]
    return kind


@cache
def _reader(kind: Any) -> _Read:
    """How a value of this kind is read from a payload."""
    origin = get_origin(kind)
    if origin is tuple:
        return _list_of(_reader(get_args(kind)[0]))
    if origin is Mapping:
        return _map_of(_reader(get_args(kind)[1]))
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if issubclass(kind, Record):
        return lambda where, value: read_record(kind, value, where=where)
    if issubclass(kind, StrEnum):
        return _word_of(kind)
    if issubclass(kind, EntityId):
        return lambda where, value: _named(where, lambda: kind(_text(where, value)))
    return lambda where, value: _named(where, lambda: kind(value))


def _named(where: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from error


def _text(where: str, value: Value) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{where} is {_shown(value)}; it must be text.")
    return value


def _integer(where: str, value: Value) -> int:
    if type(value) is not int:
        raise InvalidInput(f"{where} is {_shown(value)}; it must be a whole number.")
    return value


def _number(where: str, value: Value) -> float:
    if type(value) is not int and type(value) is not float:
        raise InvalidInput(f"{where} is {_shown(value)}; it must be a number.")
    return float(value)


def _switch(where: str, value: Value) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{where} is {_shown(value)}; it must be true or false.")
    return value


def _day(where: str, value: Value) -> date:
    try:
        return date.fromisoformat(_text(where, value))
    except ValueError as error:
        raise InvalidInput(f"{where} is {_shown(value)}; write a date like 2026-11-21.") from error


def _time(where: str, value: Value) -> datetime:
    return cast(datetime, _named(where, lambda: parse_time(_text(where, value))))


def _cid(where: str, value: Value) -> Cid:
    return value if isinstance(value, Cid) else cast(Cid, _named(where, lambda: Cid.parse(_text(where, value))))


def _word_of(kind: type[StrEnum]) -> _Read:
    def read(where: str, value: Value) -> StrEnum:
        try:
            return kind(_text(where, value))
        except ValueError as error:
            raise InvalidInput(f"{where} is {_shown(value)}; it must be one of {', '.join(kind)}.") from error

    return read


def _list_of(read_one: _Read) -> _Read:
    def read(where: str, value: Value) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise InvalidInput(f"{where} is {_shown(value)}; it must be a list.")
        _check_count(where, value)
        return tuple(read_one(f"{where}[{index}]", one) for index, one in enumerate(value))

    return read


def _map_of(read_one: _Read) -> _Read:
    def read(where: str, value: Value) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise InvalidInput(f"{where} is {_shown(value)}; it must be a map.")
        _check_count(where, value)
        return MappingProxyType({name: read_one(f"{where}.{name}", one) for name, one in value.items()})

    return read


def _check_count(where: str, value: list[Value] | dict[str, Value]) -> None:
    if len(value) > MAX_ITEMS:
        raise InvalidInput(f"{where} has {len(value):,} items; {MAX_ITEMS:,} are the limit. Make an aggregate of each and refer to its id.")


def _check_ids(field: FieldOf, value: object) -> None:
    several = get_origin(field.kind) is tuple
    kind = get_args(field.kind)[0] if several else field.kind
    if value is None or not (isinstance(kind, type) and issubclass(kind, EntityId)):
        return
    for one in cast("tuple[object, ...]", value) if several else (value,):
        if type(one) is not kind:
            given = f"the {type(one).__name__} {one}" if isinstance(one, EntityId) else _shown(one)
            raise InvalidInput(f"{field.name} is {given}; give the id of {kind.named()} as {kind.__name__}.")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


_SIMPLE: dict[Any, _Read] = {str: _text, int: _integer, float: _number, bool: _switch, date: _day, datetime: _time, Cid: _cid}
