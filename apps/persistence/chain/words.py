"""This module is the findings in words: what was expected, what was found, and what that means to somebody who does not program."""

from __future__ import annotations

from ..encoding import Cid
from .examine import Place, Seen, Unreadable
from .findings import ref_of
from .gaps import Range
from .recorded import Removed
from .tips import Tip
from .verdict import Cause, Finding

_NO_LINK = "no link"


def describe_changed(item: Seen, place: Place) -> Finding:
    """The content is not what the message's id names."""
    explanation = f"The content of {place.key} version {place.version} is not what its id names: it was changed after it was stored."
    if item.place != place:
        explanation += f" It now says that it is {item.place}."
    return Finding(
        cause=Cause.CONTENT_CHANGED,
        aggregate=ref_of(place.key),
        version=place.version,
        sequence=item.sequence,
        expected=str(Cid(item.claimed)),
        found=str(Cid(item.cid)),
        explanation=explanation,
    )


def describe_unreadable(item: Unreadable) -> Finding:
    """The bytes are no event."""
    place = item.subject_place
    explanation = f"What lies under {item.subject} cannot be read as an event. {item.reason}"
    if item.claimed:
        explanation += " Its id names other content, so these are not the bytes that were stored at first."
    elif not item.is_named:
        explanation += " It carries no id of its content, so another program may have written it."
    return Finding(
        cause=Cause.UNDECODABLE,
        aggregate=ref_of(place.key) if place else None,
        version=place.version if place else None,
        sequence=item.sequence,
        expected=str(Cid(item.claimed)) if item.claimed else "an event in strict DAG-CBOR",
        found=item.reason,
        explanation=explanation,
    )


def describe_misplaced(item: Seen) -> Finding:
    """The subject says something else than the content."""
    place, subject_place = item.place, item.subject_place
    said = str(subject_place) if subject_place else "no event of ours"
    about = subject_place or place
    return Finding(
        cause=Cause.MISPLACED,
        aggregate=ref_of(about.key),
        version=about.version,
        sequence=item.sequence,
        expected=said,
        found=str(place),
        explanation=f"Under {item.subject}, which names {said}, lies {place}. The content is whole, but this is not its place.",
    )


def describe_broken_link(item: Seen, tip: Tip) -> Finding:
    """An event does not link to the one before it."""
    before, version = tip.version, item.place.version
    explanation = f"Version {version} does not link to version {before} as it is stored at sequence {tip.sequence:,}."
    if tip.is_named and item.is_named:
        explanation += " Both are what their ids name, so one of them was replaced, its id with it, or they never belonged together."
    else:
        explanation += f" Not both carry an id of their content, so it cannot be told whether version {before} or {version} was changed."
    return _about(item, Cause.LINK_BROKEN, _names(tip), _link_text(item), explanation)


def describe_first_link(item: Seen) -> Finding:
    """Version 1 links to something."""
    return _about(item, Cause.LINK_BROKEN, _NO_LINK, _link_text(item), "Version 1 is the first event and can link to nothing, yet it does.")


def describe_duplicate(item: Seen, tip: Tip) -> Finding:
    """A version is stored twice."""
    version = item.place.version
    if version == tip.version:
        same = "with the same content" if item.cid == tip.choices[-1] else "with other content"
        explanation = f"Version {version} is stored twice: at sequence {tip.sequence:,}, and {same} at {item.sequence:,}."
        return _about(item, Cause.DUPLICATE_VERSION, _names(tip), str(Cid(item.cid)), explanation)
    explanation = f"Version {version} is stored again at sequence {item.sequence:,}, after version {tip.version} was stored."
    return _about(item, Cause.DUPLICATE_VERSION, f"version {tip.version + 1}", f"version {version}", explanation)


def describe_late(item: Seen, link: str) -> Finding:
    """A version lies behind a later one, in a stream that is read in its order."""
    version = item.place.version
    explanation = f"Version {version} lies at sequence {item.sequence:,}, behind later ones: it was moved or written afterwards. {link}"
    return _about(item, Cause.MISPLACED, "a place before later versions", f"sequence {item.sequence:,}", explanation.rstrip())


def describe_order(item: Seen, tip: Tip) -> Finding:
    """A version lies behind the next one, in an aggregate that is read in the order of its versions."""
    return Finding(
        cause=Cause.MISPLACED,
        aggregate=ref_of(item.place.key),
        version=tip.version,
        sequence=tip.sequence,
        expected=f"a sequence below {item.sequence:,}",
        found=f"sequence {tip.sequence:,}",
        explanation=(
            f"Version {tip.version} lies at sequence {tip.sequence:,}, behind version {item.place.version} at {item.sequence:,}; "
            "it was moved there or written afterwards."
        ),
    )


def describe_gap(gap: Range) -> Finding:
    """A gap that nothing explains."""
    one = gap.size == 1
    what = "if it was an event, it was the newest of its aggregate" if one else "events among them were the newest of their aggregates"
    return Finding(
        cause=Cause.MISSING,
        aggregate=None,
        version=None,
        sequence=gap.first,
        expected="a message" if one else f"{gap.size:,} messages",
        found="nothing",
        explanation=(
            f"The stream holds nothing at sequence {gap}: removed, expired, or lost by the server. Nothing later tells what it was; {what}."
        ),
    )


def describe_lowered(part: Removed) -> Finding:
    """A beginning that is gone by a limit which somebody lowered past the console."""
    first, last = part.removal.ranges[0]
    return Finding(
        cause=Cause.MISSING,
        aggregate=None,
        version=None,
        sequence=first,
        expected=f"{last - first + 1:,} messages",
        found="nothing",
        explanation=(
            f"Sequence {Range(first, last)} is gone: {part.sentence}. No recorded run lowered it. Find out who did; only once "
            f"somebody accepts it (`accept-drift` for stream/{part.removal.stream}) does it explain anything."
        ),
    )


def describe_untracked(count: int) -> Finding:
    """What is left of gaps that were too many to be kept one by one."""
    return Finding(
        cause=Cause.MISSING,
        aggregate=None,
        version=None,
        sequence=None,
        expected=f"{count:,} messages",
        found="nothing",
        explanation=f"The stream holds nothing at {count:,} more sequences, in too many places to list: removed, expired, or lost.",
    )


def describe_cut(stream: str, *, verified: int, last: int) -> Finding:
    """The stream ends before what was verified once."""
    gap = Range(last + 1, verified)
    return Finding(
        cause=Cause.TAIL_CUT,
        aggregate=None,
        version=None,
        sequence=gap.first,
        expected=f"messages up to sequence {verified:,}",
        found=f"an end at sequence {last:,}",
        explanation=(
            f"{stream} was verified up to sequence {verified:,} and now ends at {last:,}: "
            "its tail was cut, or it was replaced by an older or another one."
        ),
    )


def evidence(item: Seen, tip: Tip, cause: Cause) -> str:
    """What the link of the next event says about the event of `tip`, which was found wrong."""
    version, link = item.place.version, _link_text(item)
    if cause is Cause.CONTENT_CHANGED:
        if item.previous == tip.choices[0]:
            return f"Version {version} links to the original, {link}, which confirms the change."
        return f"Version {version} links to the content as it is now: the id was altered, or version {version} was written later."
    if cause is Cause.DUPLICATE_VERSION:
        which = "first" if item.previous == tip.choices[0] else "later"
        return f"Version {version} links to the {which} of them, {link}."
    return f"Version {version} links to {link}, which is what should stand here."


def _about(item: Seen, cause: Cause, expected: str, found: str, explanation: str) -> Finding:
    return Finding(
        cause=cause,
        aggregate=ref_of(item.place.key),
        version=item.place.version,
        sequence=item.sequence,
        expected=expected,
        found=found,
        explanation=explanation,
    )


def _names(tip: Tip) -> str:
    return " or ".join(str(Cid(cid)) for cid in tip.choices)


def _link_text(item: Seen) -> str:
    return str(Cid(item.previous)) if item.previous else _NO_LINK
