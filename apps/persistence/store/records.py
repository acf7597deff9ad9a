"""This module is reading a record out of a bucket: whatever else somebody wrote there is an error that names both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..encoding import decode
from ..errors import InvalidInput, PersistenceError
from .kv import KvEntry

_Record = TypeVar("_Record")
_MALFORMED = (PersistenceError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def parse_record(entry: KvEntry, parse: Callable[[Any], _Record], *, remedy: str = "") -> _Record:
    """What `parse` makes of the decoded value. Raises InvalidInput where there is no such record; `remedy` says what to do then."""
    try:
        return parse(decode(entry.value))
    except _MALFORMED as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
        text = f"What {entry.bucket} holds of {entry.key} cannot be read ({why[:200]}): somebody changed it. {remedy}"
        raise InvalidInput(text.rstrip()) from error


def of_type(value: Any, kind: type[_Record]) -> _Record:
    """The value, once it is of this type exactly, so that True is no number. Raises TypeError."""
    if type(value) is not kind:
        raise TypeError(f"{str(value)[:60]!r} is no {kind.__name__}")
    return value
