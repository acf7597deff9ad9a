"""This module is the causes of findings in words: a title, what it means, and how to picture it, for people who do not program."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseWords:
    """`meaning` is one sentence for a list; `plainly` explains it to somebody who has never seen a hash."""

    name: str
    title: str
    meaning: str
    plainly: str


_WORDS = (
    CauseWords(
        name="content_changed",
        title="Content changed",
        meaning="The stored bytes are not what the event's id names: changed after they were written.",
        plainly=(
            "Every event carries a fingerprint of what it said when it was written. The fingerprint of what lies here today is another "
            "one: somebody altered the record afterwards and left the old fingerprint beside it."
        ),
    ),
    CauseWords(
        name="link_broken",
        title="Link broken",
        meaning="It does not link to the event before it: one was inserted, removed or reordered.",
        plainly=(
            "Every event names the fingerprint of the one before it, as numbered pages name the page they follow. This one names another "
            "page than the one that lies before it: a page was exchanged, inserted or moved."
        ),
    ),
    CauseWords(
        name="missing",
        title="Missing",
        meaning="A version between two others is not there: it was deleted, expired, or lost by the server.",
        plainly=(
            "Events of one thing are numbered without gaps, and one number is not there. No record says that anybody removed it on purpose."
        ),
    ),
    CauseWords(
        name="duplicate_version",
        title="Version twice",
        meaning="Two events claim one version: somebody wrote past the check that one writer wins.",
        plainly="Two different records carry the same number. Only one of them can be what happened; the other was slipped in.",
    ),
    CauseWords(
        name="misplaced",
        title="Misplaced",
        meaning="The event is whole but lies under a subject that names another one.",
        plainly=(
            "The record itself is unaltered, but it was filed under another one's name: whoever opens that file reads something that "
            "belongs elsewhere."
        ),
    ),
    CauseWords(
        name="undecodable",
        title="Not readable",
        meaning="The bytes are no event. That alone is not tampering: another program may have written them.",
        plainly="What lies here cannot be read as a record. It may have been damaged, or something else was written in its place.",
    ),
    CauseWords(
        name="history_rewritten",
        title="History rewritten",
        meaning="The stream is not the one that was signed: events were changed together with everything that follows from them.",
        plainly=(
            "Everything here agrees with itself, and yet it is not what was signed at that time: somebody changed an event and then "
            "rewrote all that rests on it. A signature that was kept elsewhere gives it away."
        ),
    ),
    CauseWords(
        name="tail_cut",
        title="Tail cut",
        meaning="The stream ends before what was signed: its newest events are gone.",
        plainly="More was signed than is here: the end of the history was cut off, or the server was set back to an older state.",
    ),
    CauseWords(
        name="omitted",
        title="Left out",
        meaning="A list that was signed names an aggregate, or newer versions of it, that are not here.",
        plainly="A signed list of everything that there was names something that is not here any more, whole or in its newest part.",
    ),
    CauseWords(
        name="list_gone",
        title="List taken away",
        meaning="The newest list of all aggregates was recorded, and is gone or holds something else: nobody sees what it would show.",
        plainly=(
            "A list of everything that there was had been written down, and its seal is still here; the list itself is not, or it is "
            "another one. Whoever took it away may have wanted to hide what is missing."
        ),
    ),
    CauseWords(
        name="not_trusted",
        title="Signature not trusted",
        meaning="What should vouch for the log is signed by another key, or its signature does not hold.",
        plainly=(
            "The seal on the log is not that of the signer whom we know: somebody else sealed it, or the seal was damaged. What it says "
            "counts for nothing."
        ),
    ),
    CauseWords(
        name="not_vouched",
        title="Not vouched for",
        meaning="By the operator trail another generation of the stream serves, or no run of an operator made this one.",
        plainly=(
            "The records were said to go on in a new book, but nobody who may open one has signed for it: somebody put a book of their "
            "own on the shelf, or an old one back."
        ),
    ),
)
BY_NAME = {words.name: words for words in _WORDS}


def cause_words(name: str) -> CauseWords:
    """The words for a cause; its own name where this console does not know it."""
    title = name.replace("_", " ").capitalize()
    return BY_NAME.get(name) or CauseWords(name=name, title=title, meaning="", plainly="")
