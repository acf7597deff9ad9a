"""This module is the rules of good subjects, and which of them one breaks: it works today, and hurts when readers want a part of it."""

from __future__ import annotations

import re

from ..errors import InvalidSubject
from .grammar import check_pattern

MOST_TOKENS = 16
LONGEST = 256
_VERSION = re.compile(r"[vs][1-9][0-9]*", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_OURS = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def broken_rules(subject: str) -> tuple[str, ...]:
    """Every rule that a subject or pattern breaks, each as a sentence; none where it is well designed. Never raises."""
    try:
        check_pattern(subject)
    except InvalidSubject as error:
        return (str(error),)
    tokens = subject.split(".")
    checks = (_too_few(tokens), _too_many(tokens), _too_long(subject), _no_version(tokens), _id_first(tokens), *map(_odd_token, tokens))
    return tuple(dict.fromkeys(problem for problem in checks if problem))


def _too_few(tokens: list[str]) -> str:
    return "It has one token, so that nobody can subscribe to a part of it; begin with the context." if len(tokens) == 1 else ""


def _too_many(tokens: list[str]) -> str:
    return f"It has {len(tokens)} tokens, and {MOST_TOKENS} are as many as a server should match." if len(tokens) > MOST_TOKENS else ""


def _too_long(subject: str) -> str:
    return f"It has {len(subject):,} characters, and {LONGEST} are as many as a server should match." if len(subject) > LONGEST else ""


def _no_version(tokens: list[str]) -> str:
    if tokens[-1] in ("*", ">") or any(_VERSION.fullmatch(token) for token in tokens):
        return ""
    return "It says no version, so that readers cannot tell an old form from a new one; end it with v1."


def _id_first(tokens: list[str]) -> str:
    is_id = len(tokens) > 1 and (_UUID.fullmatch(tokens[0]) or tokens[0].isdigit())
    return f"It begins with the id {tokens[0]}; put what is the same for many first, so that wildcards can choose." if is_id else ""


def _odd_token(token: str) -> str:
    if token in ("*", ">"):
        return ""
    if not _OURS.fullmatch(token):
        return f"The token {token!r} holds more than letters, digits, _ and -; other tools will need to quote it."
    if token != token.lower() and not _UUID.fullmatch(token.lower()):
        return f"The token {token!r} has capitals; subjects are compared letter by letter, so write it {token.lower()}."
    return ""
