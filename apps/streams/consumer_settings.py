"""This module is how one consumer is set up, in words."""

from __future__ import annotations

from apps.display.figures import clock, count, day, span
from apps.persistence.store import ConsumerInfo

from .configuration import Fact

_BEGINS = {
    "all": "With everything that is stored",
    "new": "With what was stored after it was made",
    "last": "With the newest event",
    "last_per_subject": "With the newest event of each subject",
}
_ACKNOWLEDGES = {"explicit": "Each event", "all": "One with all before it", "none": "Nothing"}


def settings_of(consumer: ConsumerInfo) -> tuple[Fact, ...]:
    """Every setting that says something."""
    config = consumer.config
    facts = (
        Fact(title="What it is for", value=str(config.get("description", "")), key="description"),
        Fact(title="Begins", value=_begins(consumer), key="deliver_policy"),
        Fact(title="Acknowledges", value=_ACKNOWLEDGES.get(consumer.ack_policy, consumer.ack_policy), key="ack_policy"),
        Fact(title="Given out again after", value=_seconds(config.get("ack_wait", 0)), key="ack_wait"),
        Fact(title="Given out at most", value=_times(config.get("max_deliver", -1)), key="max_deliver"),
        Fact(title="Sent to", value=str(config.get("deliver_subject", "")), key="deliver_subject", is_identity=True),
        Fact(title="Deleted when unused for", value=_seconds(config.get("inactive_threshold", 0)), key="inactive_threshold"),
        Fact(title="Made", value=f"{day(consumer.created)} {clock(consumer.created)} UTC" if consumer.created else "", key="created"),
    )
    return tuple(fact for fact in facts if fact.value)


def _begins(consumer: ConsumerInfo) -> str:
    config = consumer.config
    if consumer.deliver_policy == "by_start_sequence":
        return f"At sequence {count(int(config.get('opt_start_seq', 1)))}"
    if consumer.deliver_policy == "by_start_time":
        return f"With what was stored from {config.get('opt_start_time')} on"
    return _BEGINS.get(consumer.deliver_policy, consumer.deliver_policy)


def _seconds(nanoseconds: int) -> str:
    return span(nanoseconds / 1e9) if nanoseconds > 0 else ""


def _times(number: int) -> str:
    return f"{count(number)} times" if number > 0 else ""
