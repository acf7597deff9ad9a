"""This module is DAG-JSON (https://ipld.io/specs/codecs/dag-json/): values as text in which bytes, CIDs and 64-bit integers survive.

Bytes are `{"/": {"bytes": "…"}}` in base64 without padding, CIDs are `{"/": "bafy…"}`. A map that has the key "/" cannot be written so.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any, cast

from ..encoding import Cid, Value, describe_cid
from ..errors import EncodingError, InvalidCid

_SLASH = "/"
_OUR_TEXT = "bafyr4i"


class NoDagJson(Exception):
    """The value holds a map with the key "/", which DAG-JSON keeps for itself."""


def to_json(value: Value) -> Any:
    """The value as `json` writes it. Raises NoDagJson."""
    match value:
        case dict():
            if _SLASH in value:
                raise NoDagJson
            return {key: to_json(item) for key, item in value.items()}
        case list():
            return [to_json(item) for item in value]
        case bytes():
            return {_SLASH: {"bytes": b64encode(value).decode().rstrip("=")}}
        case Cid():
            return {_SLASH: str(value)}
    return value


def from_json(value: Any) -> Value:
    """The value that was written. Raises EncodingError for a map with the key "/" that is neither bytes nor a CID."""
    match value:
        case dict() if _SLASH in value:
            return _special(value)
        case dict():
            return {key: from_json(item) for key, item in value.items()}
        case list():
            return [from_json(item) for item in value]
    return cast(Value, value)


def write_line(value: Any) -> bytes:
    """One line of JSON, with its end."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def read_line(line: bytes) -> Any:
    """The JSON of one line. Raises EncodingError for anything else, also for a key twice in a map and for NaN."""
    try:
        return json.loads(line.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except EncodingError:
        raise
    except (ValueError, RecursionError) as error:
        raise EncodingError(f"This is not JSON: {error or 'it is nested too deeply'}.") from error


def _special(value: dict[str, Any]) -> Value:
    inner = value[_SLASH]
    if len(value) == 1 and isinstance(inner, str):
        try:
            return Cid.parse(inner) if inner.startswith(_OUR_TEXT) else describe_cid(inner).cid
        except InvalidCid as error:
            raise EncodingError(f'{{"/": …}} holds no CID: {error}') from error
    if len(value) == 1 and isinstance(inner, dict) and list(inner) == ["bytes"] and isinstance(inner["bytes"], str):
        return _decode_base64(inner["bytes"])
    raise EncodingError('A map with the key "/" must be {"/": "a CID"} or {"/": {"bytes": "base64"}}, and nothing else.')


def _decode_base64(text: str) -> bytes:
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Base64Error, ValueError) as error:
        raise EncodingError(f"{text[:40]!r} is not base64: {error}.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EncodingError("A key stands twice in one map, so it is not clear which value counts.")
    return found


def _no_constant(name: str) -> Any:
    raise EncodingError(f"{name} is no value that an event can hold.")
