"""What a browser says of its verdict, beside what the server says: in large letters, and never more than was found."""

from __future__ import annotations

from dataclasses import replace

from apps.persistence.events import Event

from .browser_reader import Reader, changed, events, reader
from .shown_log import history

__all__ = ["events", "reader"]

VERIFIED = {"state": "verified", "findings": "0", "firstBad": ""}


def test_history_that_the_server_calls_intact_and_is_not_is_an_alarm(reader: Reader, events: list[Event]) -> None:
    result = reader.verify(replace(history(events).signed(), messages=changed(events, 300)))

    said = reader.said(result, VERIFIED)

    assert (said["title"], said["isAlarm"]) == (
        "This browser disagrees with the server: not intact, first at sequence 300: content changed",
        True,
    )
    assert reader.said(result, VERIFIED | {"state": "broken"})["title"].startswith("Not intact, as the server says too")


def test_history_that_only_the_server_calls_broken_is_an_alarm(reader: Reader, events: list[Event]) -> None:
    result = reader.verify(history(events).signed())

    said = reader.said(result, {"state": "broken", "findings": "2", "firstBad": "1204"})

    assert (said["state"], said["isAlarm"]) == ("warn", True)
    assert said["words"].startswith("The server's own verification has 2 findings, the first at sequence 1,204.")


def test_events_that_are_gone_are_never_passed_over_in_silence(reader: Reader, events: list[Event]) -> None:
    said = reader.said(reader.verify(history(events).signed().without(7)), VERIFIED)

    assert (said["state"], said["title"]) == ("warn", "What is here is as it was signed, and 1 event is gone.")
    assert said["words"].startswith("The first is missing at sequence 7.")


def test_whole_and_signed_history_is_said_to_be_intact(reader: Reader, events: list[Event]) -> None:
    said = reader.said(reader.verify(history(events).signed()), VERIFIED)

    assert (said["state"], f"{said['title']} {said['words']}") == ("ok", "Intact. All 600 events are those that were signed.")


def test_what_no_signature_covers_is_not_said_to_be_signed(reader: Reader, events: list[Event]) -> None:
    shown = replace(history(events), note=history(events[:300]).signed().note)

    said = reader.said(reader.verify(shown), VERIFIED)

    assert (said["state"], said["title"]) == ("ok", "Intact.")
    assert (
        said["words"]
        == "All up to sequence 300 are those that were signed; the 300 sequences after it are whole and linked, and not signed yet."
    )
