"""This module is the parameters of operations: what a dataclass's fields say to forms, the command line and the API, and back again.

stream: str = field(metadata={"help": "…", "choices": streams})      one of what the store holds, read by choices.py or your own
how: Literal["full", "new"] = field(default="new", metadata=…)       one of these
types: tuple[str, ...] = field(default=(), metadata=…)               several: of the choices if there are any, else one per line
start: Place = field(default=Place("1"), metadata=…)                 a sequence, a time or an age; `sequence_at` finds it
note: str = field(metadata={"help": "…", "lines": True})             text of several lines
events: int = field(metadata={"help": "…", "least": 1, "most": 99})  a whole number; `int | None` where it may be left out
full: bool = field(default=False, metadata=…)                        a switch
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, cast, get_args, get_origin, get_type_hints

from ..encoding import Value
from ..errors import InvalidInput
from ..events import now
from ..registry import Registry
from ..store import Store
from ..store.positions import parse_position

Place = NewType("Place", str)
"""A place in a stream as a person writes it: a sequence, a time, or an age such as `10 minutes ago`."""

Kind = Literal["text", "lines", "number", "switch", "choice", "many", "place"]
Choices = Callable[[Store, Registry], Awaitable[Sequence[str]]]
Given = Mapping[str, str | Sequence[str]]
ParameterValue = str | int | bool | tuple[str, ...] | None

GREATEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter as a form shows it. `options` are the values there are, or `choices` reads them from the store."""

    name: str
    kind: Kind
    default: ParameterValue
    help: str
    is_required: bool
    options: tuple[str, ...] = ()
    choices: Choices | None = None
    least: int = 0
    most: int = GREATEST_NUMBER

    @property
    def has_choices(self) -> bool:
        """Whether only some values make sense."""
        return bool(self.options) or self.choices is not None


def parameters_of(operation: type[Any]) -> tuple[Parameter, ...]:
    """The parameters that an operation declares, in order."""
    hints = get_type_hints(operation)
    return tuple(_parameter(field, hints[field.name]) for field in dataclasses.fields(operation))


async def read_choices(parameter: Parameter, store: Store, registry: Registry) -> tuple[str, ...]:
    """The values that make sense here and now. Raises Unavailable."""
    return parameter.options if parameter.choices is None else tuple(await parameter.choices(store, registry))


def values_from(operation: type[Any], given: Given) -> dict[str, Any]:
    """The values of the parameters from text, as a form or a command line gives them. Raises InvalidInput naming the parameter."""
    parameters = parameters_of(operation)
    unknown = sorted(given.keys() - {parameter.name for parameter in parameters})
    if unknown:
        raise InvalidInput(f"{operation.title} has no parameter {', '.join(unknown)[:80]}.")
    values = {parameter.name: _read(parameter, given.get(parameter.name, "")) for parameter in parameters}
    hints = get_type_hints(operation)
    return {name: _restore(hints[name], value) for name, value in values.items() if value is not None}


def stored_values(operation: object) -> dict[str, Value]:
    """The parameters as they are stored in the run's events."""
    values = {field.name: getattr(operation, field.name) for field in dataclasses.fields(cast(Any, operation))}
    return {name: list(value) if isinstance(value, tuple) else _plain(value) for name, value in values.items()}


def restored_values(operation: type[Any], stored: Mapping[str, Value]) -> dict[str, Any]:
    """The parameters of a stored run as the operation takes them. Raises ValueError for a choice that is none any more."""
    hints = get_type_hints(operation)
    return {name: _restore(hints.get(name), value) for name, value in stored.items()}


def _parameter(field: dataclasses.Field[Any], hint: Any) -> Parameter:
    is_optional = get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
    plain = next(one for one in get_args(hint) if one is not NoneType) if is_optional else hint
    default = _default(field)
    choices = field.metadata.get("choices")
    return Parameter(
        name=field.name,
        kind=_kind(plain, field.metadata),
        default=_plain(default) if default is not dataclasses.MISSING else None,
        help=str(field.metadata.get("help", "")),
        is_required=default is dataclasses.MISSING,
        options=_options(plain) or (tuple(choices) if isinstance(choices, list | tuple) else ()),
        choices=choices if callable(choices) else None,
        least=int(field.metadata.get("least", 0)),
        most=int(field.metadata.get("most", GREATEST_NUMBER)),
    )


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def _kind(hint: Any, metadata: Mapping[str, Any]) -> Kind:
    simple: dict[Any, Kind] = {int: "number", bool: "switch", Place: "place"}
    if hint in simple:
        return simple[hint]
    if get_origin(hint) is tuple:
        return "many"
    if _options(hint) or (hint is str and "choices" in metadata):
        return "choice"
    if hint is str:
        return "lines" if metadata.get("lines") else "text"
    raise TypeError(f"{hint} is no type of a parameter; see the list at the top of this module.")


def _options(hint: Any) -> tuple[str, ...]:
    if get_origin(hint) is Literal:
        return tuple(str(one) for one in get_args(hint))
    return tuple(one.value for one in hint) if isinstance(hint, type) and issubclass(hint, StrEnum) else ()


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, StrEnum) else value


def _restore(hint: Any, value: Value | ParameterValue) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return hint(str(value)) if isinstance(hint, type) and issubclass(hint, StrEnum) else value


def _read(parameter: Parameter, given: str | Sequence[str]) -> ParameterValue:
    if parameter.kind == "many":
        return _read_many(parameter, given)
    text = (given if isinstance(given, str) else "".join(given[-1:])).strip()
    if parameter.kind == "switch" and text:
        return text.lower() in ("on", "true", "yes", "1")
    if not text:
        if parameter.is_required and parameter.kind != "switch":
            raise InvalidInput(f"{parameter.name} is missing: {parameter.help}")
        return False if parameter.is_required else None
    if parameter.kind == "number":
        return _read_number(parameter, text)
    if parameter.kind == "place":
        _check_place(parameter, text)
    _check_option(parameter, text)
    return text


def _read_many(parameter: Parameter, given: str | Sequence[str]) -> tuple[str, ...] | None:
    lines = given.splitlines() if isinstance(given, str) else [line for entry in given for line in entry.splitlines()]
    values = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not values and parameter.is_required:
        raise InvalidInput(f"{parameter.name} is missing: {parameter.help}")
    for value in values:
        _check_option(parameter, value)
    return values or None


def _check_option(parameter: Parameter, text: str) -> None:
    if parameter.options and text not in parameter.options:
        raise InvalidInput(f"{parameter.name} is {text[:60]!r}; it must be one of {', '.join(parameter.options)}.")


def _check_place(parameter: Parameter, text: str) -> None:
    if not text.strip("0,_ "):
        raise InvalidInput(f"{parameter.name} is {text[:60]!r}, and sequences begin at 1; write 1 for the first event.")
    try:
        parse_position(text, now())
    except InvalidInput as error:
        raise InvalidInput(f"{parameter.name}: {error}") from error


def _read_number(parameter: Parameter, text: str) -> int:
    digits = text.replace(",", "").replace(" ", "").replace("_", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise InvalidInput(f"{parameter.name} is {text[:60]!r}; it must be a whole number.")
    number = int(digits)
    if not parameter.least <= number <= parameter.most:
        limits = f"at least {parameter.least:,}" + (f" and at most {parameter.most:,}" if parameter.most < GREATEST_NUMBER else "")
        raise InvalidInput(f"{parameter.name} is {number:,}; it must be {limits}.")
    return number
