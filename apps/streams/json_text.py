"""This module is JSON read without losing anything: numbers keep their source text, repeated keys stay, and what is not JSON is refused."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

from .tree import Literal, Pairs


class NotJson(ValueError):
    """The bytes are not JSON (RFC 8259); the message says where and why."""


def read_json(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """The value in `data`, and the keys that stand more than once in one object. Raises NotJson."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(f"at byte {error.start:,}: it is not UTF-8") from error
    repeated: dict[str, None] = {}

    def keep_pairs(pairs: list[tuple[str, Any]]) -> Pairs:
        if len({key for key, _ in pairs}) < len(pairs):
            repeated.update({key: None for key, count in Counter(key for key, _ in pairs).items() if count > 1})
        return Pairs(pairs)

    try:
        value = json.loads(
            text,
            parse_int=lambda source: Literal("int", source),
            parse_float=lambda source: Literal("float", source),
            parse_constant=_refuse_constant,
            object_pairs_hook=keep_pairs,
        )
    except json.JSONDecodeError as error:
        raise NotJson(f"at character {error.pos:,}: {error.msg[0].lower()}{error.msg[1:]}") from error
    except RecursionError as error:
        raise NotJson("it is nested too deep to be read") from error
    return value, tuple(repeated)


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is no JSON value")
