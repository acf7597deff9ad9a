"""This module is the grammar of what may stand in a subject that we write or ask for.

A token that we write is letters, digits, `_` and `-`. Subjects and patterns that we only *ask for* may hold whatever a NATS server
accepts (other people's streams do), as long as it cannot be mistaken for something else: no white space, no control characters, no
empty token, `*` and `>` only as whole tokens, `>` only last.
"""

from __future__ import annotations

import re

from ..errors import InvalidSubject

MAX_TOKEN_LENGTH = 128
MAX_SUBJECT_LENGTH = 1024

TOKEN = rf"[A-Za-z0-9_-]{{1,{MAX_TOKEN_LENGTH}}}"
"""The expression for one token that we write."""
_TOKEN = re.compile(TOKEN)
_FOREIGN = re.compile(r"[\s\x00-\x1f\x7f]")


def is_token(text: str) -> bool:
    """Whether `text` may be written as one token of a subject."""
    return _TOKEN.fullmatch(text) is not None


def check_token(text: str, what: str = "token") -> str:
    """Return `text`, or raise InvalidSubject saying `what` it was meant to be."""
    if not is_token(text):
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        raise InvalidSubject(f"{shown!r} cannot be used as {what}: letters, digits, _ and - only, 1 to {MAX_TOKEN_LENGTH} characters.")
    return text


def check_subject(text: str) -> str:
    """Return `text` if it is a subject without wildcards, or raise InvalidSubject."""
    tokens = _tokens(text)
    if "*" in tokens or ">" in tokens:
        raise InvalidSubject(f"{text[:80]!r} is a pattern, not a subject: it holds a wildcard.")
    return text


def check_pattern(text: str) -> str:
    """Return `text` if a server would accept it as a subscription: whole-token wildcards, `>` only last. Raises InvalidSubject."""
    tokens = _tokens(text)
    if ">" in tokens[:-1]:
        raise InvalidSubject(f"{text[:80]!r} is no subject pattern: '>' may only be its last token.")
    return text


def _tokens(text: str) -> list[str]:
    if len(text) > MAX_SUBJECT_LENGTH:
        raise InvalidSubject(f"A subject of {len(text):,} characters is too long; {MAX_SUBJECT_LENGTH:,} is the limit.")
    if _FOREIGN.search(text):
        raise InvalidSubject(f"{text[:80]!r} is no subject: it holds white space or a control character.")
    tokens = text.split(".")
    if "" in tokens:
        raise InvalidSubject(f"{text[:80]!r} is no subject: it is empty or has an empty token.")
    return tokens
