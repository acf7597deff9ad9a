"""This module is fields and values of what is watched, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

NOT_SET = "not set"
_AGES = frozenset({"max_age", "duplicate_window", "subject_delete_marker_ttl"})
_TITLES: Mapping[str, str] = {
    "exists": "is there",
    "created": "made at",
    "first_seq": "first sequence",
    "num_deleted": "messages missing between first and last",
    "version": "version of the server",
    "record": "its record",
    "sync_interval": "writes to disk (sync_interval)",
}


def title_of(field: str) -> str:
    """The field's own name, where a person knows it by that; else what it means."""
    return _TITLES.get(field, field)


def value_words(field: str, value: Any) -> str:
    """A value in the server's words, short."""
    if value is None:
        return NOT_SET
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(timedelta(microseconds=value // 1000)) if field in _AGES else f"{value:,}"
    if isinstance(value, list):
        return ", ".join(value_words("", one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {value_words('', one)}" for name, one in value.items())
    return str(value)
