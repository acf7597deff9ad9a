"""This module is what addresses of the storage pages ask for, read from their query; what is no number there is nothing."""

from __future__ import annotations

from django.http import QueryDict

from .buckets import Kind
from .key import KeyQuery
from .keys import KeyQuery as KeysQuery

LARGEST = 2**63 - 1


def number(given: QueryDict, name: str) -> int | None:
    """A positive number below 2^63, or None."""
    text = given.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text[:20]) <= LARGEST and len(text) < 20 else None


def page_number(given: QueryDict) -> int:
    return number(given, "page") or 1


def kind_of(given: QueryDict) -> Kind | None:
    match given.get("kind"):
        case "keys":
            return "keys"
        case "objects":
            return "objects"
    return None


def keys_query(given: QueryDict) -> KeysQuery:
    return KeysQuery(prefix=given.get("prefix", "").strip(), page=page_number(given), before=number(given, "before"))


def key_query(given: QueryDict) -> KeyQuery:
    return KeyQuery(
        revision=number(given, "revision"), older=number(given, "older"), newer=number(given, "newer"), is_full=given.get("full") == "1"
    )
