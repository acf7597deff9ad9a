"""This module is what is watched of a stream: its settings as the server gives them, when it was made, where it begins, how much it lacks.

What a server leaves out, and what it gives as nothing (no, none, no limit), is the same here: not set. Of a stream that keeps everything
the first sequence is 1 and none is deleted, whoever looks for the first time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..chain.removals import stream_key
from ..encoding import Value
from ..store import StreamInfo
from ..work.schedules import Schedule

Facts = Mapping[str, Value]

EXISTS, CREATED, FIRST, DELETED = "exists", "created", "first_seq", "num_deleted"
RECORD = "record"
"""The field that a record has an alarm about where somebody wrote something else in its place; no fact of what is watched."""
GONE: Facts = {EXISTS: False}
_UNWATCHED = frozenset({"name", "description", "metadata"})
_NOTHING: tuple[Any, ...] = (None, False, 0, -1, "", [], {})
_FORGETTING = ("max_age", "max_msgs", "max_bytes", "max_msgs_per_subject", "allow_msg_ttl")


def stream_facts(info: StreamInfo, *, is_chained: bool) -> Facts:
    """Everything that is watched of a stream; of one without chains nothing of what it holds."""
    facts = {EXISTS: True, CREATED: stream_key(info), **config_facts(info.config)}
    if is_chained:
        begins = info.first_sequence or info.last_sequence + 1
        facts |= {FIRST: begins, DELETED: info.deleted}
    return facts


def config_facts(config: Mapping[str, Any]) -> dict[str, Value]:
    """The settings that say anything; lists in an order of their own, as the server's order means nothing."""
    return {key: _plain(value) for key, value in config.items() if key not in _UNWATCHED and value not in _NOTHING}


def schedule_facts(schedule: Schedule) -> Facts:
    """What a schedule asks for, and how often."""
    return {
        EXISTS: True,
        "operation": schedule.operation,
        "every": schedule.every,
        **({"parameters": schedule.given} if schedule.given else {}),
    }


def keeps_everything(facts: Facts) -> bool:
    """Whether a stream of these settings never loses a message by itself."""
    return facts.get("retention") == "limits" and not any(facts.get(key) for key in _FORGETTING)


def first_accepted(facts: Facts) -> dict[str, Value]:
    """What is taken as right when a stream is seen for the first time."""
    if FIRST in facts and keeps_everything(facts):
        return {**facts, FIRST: 1, DELETED: 0}
    return dict(facts)


def differing(accepted: Facts, facts: Facts) -> list[str]:
    """The fields that are not as accepted, in order. What a stream that forgets holds is nobody's doing."""
    if facts.get(EXISTS) is False:
        return [EXISTS] if accepted.get(EXISTS) else []
    fields = sorted({*accepted, *facts} - (set() if keeps_everything(accepted) else {FIRST, DELETED}))
    return [field for field in fields if accepted.get(field) != facts.get(field)]


def _plain(value: Any) -> Value:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return cast(Value, sorted(value))
    return cast(Value, value)
