"""This module is what a browser may say over the live socket, parsed strictly: known types, known keys, bounded sizes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.core import signing

MESSAGE_BYTES = 16 * 1024
TOPICS_PER_SOCKET = 16
POSITIONS_PER_SOCKET = 16
LONGEST_TEXT = 4096
LARGEST_SEQUENCE = 2**63 - 1
SALT = "live-topics"


class BadMessage(ValueError):
    """The browser said something outside the protocol."""


class ForgedTopics(ValueError):
    """A topics value that we did not sign for this person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What the page shows: signed topics, how far its tails have come, which topics it holds paused."""

    signed: tuple[str, ...]
    positions: dict[str, int] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Message number `number` is on the screen."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Hold a topic where it is."""

    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Let a paused topic go on."""

    topic: str


Message = Open | Ack | Pause | Resume

_KEYS = {"open": ({"topics"}, {"resume", "paused"}), "ack": ({"n"}, set()), "pause": ({"topic"}, set()), "resume": ({"topic"}, set())}


def parse(text: str) -> Message:
    """The message in `text`. Raises BadMessage."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadMessage("The message is not JSON.") from error
    kind = said.pop("type", None) if isinstance(said, dict) else None
    if not isinstance(kind, str) or kind not in _KEYS:
        raise BadMessage("The message has no known type.")
    required, optional = _KEYS[kind]
    if not required <= said.keys() <= required | optional:
        raise BadMessage(f"A message of type {kind} has other keys.")
    if kind == "open":
        return _open(said)
    if kind == "ack":
        return Ack(number=_whole_number(said["n"]))
    topic = _text(said["topic"])
    return Pause(topic=topic) if kind == "pause" else Resume(topic=topic)


def sign_topics(user_id: object, topics: tuple[str, ...]) -> str:
    """The topics of a page as a value that only this person can open."""
    return signing.dumps({"user": str(user_id), "topics": topics}, salt=SALT)


def read_topics(user_id: object, signed: tuple[str, ...]) -> tuple[str, ...]:
    """The topics that `sign_topics` made for this person. Raises ForgedTopics."""
    topics: dict[str, None] = {}
    for value in signed:
        try:
            said = signing.loads(value, salt=SALT)
        except signing.BadSignature as error:
            raise ForgedTopics("The topics carry no signature of this console.") from error
        if said["user"] != str(user_id):
            raise ForgedTopics("The topics were signed for another person.")
        topics.update(dict.fromkeys(said["topics"]))
    if len(topics) > TOPICS_PER_SOCKET:
        raise BadMessage(f"{len(topics)} topics on one page are too many; {TOPICS_PER_SOCKET} are allowed.")
    return tuple(topics)


def _open(said: dict[str, Any]) -> Open:
    positions = said.get("resume", {})
    if not isinstance(positions, dict) or len(positions) > POSITIONS_PER_SOCKET:
        raise BadMessage(f"`resume` is an object of at most {POSITIONS_PER_SOCKET} positions.")
    return Open(
        signed=_texts(said["topics"]),
        positions={_text(id): _whole_number(position) for id, position in positions.items()},
        paused=frozenset(_texts(said.get("paused", []))),
    )


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > TOPICS_PER_SOCKET:
        raise BadMessage(f"A list of at most {TOPICS_PER_SOCKET} texts was expected.")
    return tuple(_text(item) for item in value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise BadMessage("A short text was expected.")
    return value


def _whole_number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_SEQUENCE:
        raise BadMessage("A whole number was expected.")
    return value
