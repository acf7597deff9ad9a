"""This module is what the receipt of a verification says: a sentence, and figures from which pages show it without reading again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..chain import Finding, Mark, Verdict
from ..chain.mark_runs import CID_KEY, TIME_KEY
from ..encoding import Value
from ..events import format_time
from ..work.findings import RunFinding

REMOVALS_KEPT = 100

Summary = dict[str, Value]


def finding_of(finding: Finding, stream: str) -> RunFinding:
    """A finding as a run keeps it."""
    return RunFinding(
        cause=finding.cause.value,
        stream=stream,
        aggregate=str(finding.aggregate) if finding.aggregate else None,
        version=finding.version,
        sequence=finding.sequence,
        expected=finding.expected,
        found=finding.found,
        explanation=finding.explanation,
        link=_link(finding, stream),
    )


def summary_of(verdict: Verdict, mark: Mark | None) -> Summary:
    """What is kept of the verdict on one stream, type or aggregate; `mark` is the stream's afterwards."""
    empty = max(0, verdict.to_sequence - verdict.from_sequence + 1 - verdict.checked) if verdict.is_whole_stream else 0
    earlier = mark.findings if mark and not mark.intact and verdict.intact else 0
    return {
        "stream": verdict.stream,
        "scope": "" if verdict.is_whole_stream else verdict.scope,
        "from": verdict.from_sequence,
        "to": verdict.to_sequence,
        "events": verdict.checked,
        "intact": verdict.intact,
        "finding_count": verdict.finding_count,
        "by_cause": {cause.value: count for cause, count in verdict.by_cause.items()},
        "first_bad": verdict.first_bad_sequence,
        "earlier_findings": earlier,
        "first_earlier": mark.first_bad_sequence if mark and earlier else None,
        "empty_sequences": empty,
        "removed": [
            {"run": part.removal.run_id, "count": part.count, "sentence": part.sentence} for part in verdict.removed[:REMOVALS_KEPT]
        ],
        "removals": sum(part.is_by_run for part in verdict.removed),
        "removed_count": sum(part.count for part in verdict.removed),
        "proves": list(verdict.proves),
        "does_not_prove": list(verdict.does_not_prove),
        **({CID_KEY: str(mark.cid), TIME_KEY: format_time(mark.at)} if mark else {}),
        **_layers_of(verdict),
    }


def _layers_of(verdict: Verdict) -> Summary:
    """What is kept of the log of a whole stream, and of what is intact and what rests on the first that is bad."""
    log, rests = verdict.log, verdict.rests_on
    if log is None:
        return {}
    return {
        "anchors": [one.to_value() for one in log.held],
        "anchors_missing": list(log.missing),
        "log_damage": log.damage,
        "intact_to": verdict.intact_to,
        "covered_to": log.covered,
        "rests_on": {"sequence": rests.sequence, "events": rests.events, "aggregates": rests.aggregates} if rests else None,
        "root": log.root.hex() if log.root else None,
        "size": log.size,
        **({"confirmed_to": log.confirmed} if log.confirmed is not None else {}),
    }


def sentence_of(summary: Mapping[str, Value]) -> str:
    """The verdict on one stream, type or aggregate."""
    one: Any = summary
    span = f"{one['events']:,} events, sequence {one['from']:,} to {one['to']:,}" if one["from"] <= one["to"] else "no event"
    if one["scope"]:
        span = f"{one['events']:,} events, {one['scope']} in {one['stream']}"
    if one["earlier_findings"]:
        return f"Nothing wrong in what is new: {span}{_removed(one)}; but {_earlier(one)}. Verify all again to see what is so now."
    if one["intact"]:
        signed = f"; as signed up to {one['covered_to']:,}" if one.get("covered_to") else ""
        if one.get("confirmed_to") == 0:
            return f"Nothing wrong, but not confirmed by the witness: {span}{signed}{_removed(one)}."
        return f"Intact: {span}{signed}{_confirmed(one)}{_removed(one)}."
    where = f", the first at sequence {one['first_bad']:,}" if one["first_bad"] else ""
    return f"{_findings(one['finding_count'])} in {span}{where}{_removed(one)}."


def left_of(stream: str, mark: Mark | None) -> Summary:
    """What is kept of a stream in which nothing is new: what was found in it before."""
    earlier = mark.findings if mark and not mark.intact else 0
    return {"stream": stream, "earlier_findings": earlier, "first_earlier": mark.first_bad_sequence if mark and earlier else None}


def sentence_of_all(summaries: Sequence[Summary], left: Sequence[Summary]) -> str:
    """The verdict on every stream; `left` are those in which nothing is new."""
    every: list[Any] = list(summaries)
    resting: list[Any] = list(left)
    span = f"{sum(one['events'] for one in every):,} events in {len(every):,} stream{'' if len(every) == 1 else 's'}"
    bad = [f"{one['stream']} {one['finding_count']:,}" for one in every if one["finding_count"]]
    count = sum(one["finding_count"] for one in every)
    unconfirmed = [one["stream"] for one in every if one.get("confirmed_to") == 0]
    words = [
        f"{_findings(count)} in {span}: {', '.join(bad)}"
        if bad
        else f"Nothing wrong in {span}"
        if _earlier_of([*every, *resting]) or unconfirmed
        else f"Intact: {span}"
    ]
    words += [f"not confirmed by the witness: {', '.join(unconfirmed)}"] if unconfirmed else []
    words += [f"in {one['stream']} {_earlier(one)}" for one in (*every, *resting) if one["earlier_findings"]]
    words += [f"nothing new in {', '.join(one['stream'] for one in resting)}"] if resting else []
    return f"{'; '.join(words)}."


def figures_of(summary: Summary, findings: Value, seconds: float) -> dict[str, Value]:
    """What the receipt keeps of one stream, type or aggregate."""
    unsaid = [name for name in ("earlier_findings", "empty_sequences") if not summary[name]]
    left_out = ["scope", "first_bad", "first_earlier", "removals", "removed_count", *unsaid]
    kept = {name: value for name, value in summary.items() if name not in left_out}
    return kept | {"intact": bool(summary["intact"] and not summary["earlier_findings"]), "seconds": seconds, "findings": findings}


def figures_of_all(summaries: Sequence[Summary], left: Sequence[Summary], findings: Value, seconds: float) -> dict[str, Value]:
    """What the receipt keeps of several streams: sums, and under `streams` each one. Not `intact` while earlier findings stand in any."""
    every: list[Any] = list(summaries)
    earlier_findings = _earlier_of([*every, *left])
    by_cause: Counter[str] = Counter()
    for one in every:
        by_cause.update(one["by_cause"])
    earlier: dict[str, Value] = {"earlier_findings": earlier_findings} if earlier_findings else {}
    return {
        "events": sum(one["events"] for one in every),
        "seconds": seconds,
        "intact": all(one["intact"] for one in every) and not earlier_findings,
        "finding_count": sum(one["finding_count"] for one in every),
        **earlier,
        "by_cause": cast("dict[str, Value]", dict(by_cause)),
        "findings": findings,
        "proves": _said_of_each(summaries, "proves"),
        "does_not_prove": [*_said_of_each(summaries, "does_not_prove"), *_not_covered(summaries, left)],
        "streams": cast("list[Value]", [figures_of(one, [], 0.0) | {"sentence": sentence_of(one)} for one in summaries]),
    }


def _said_of_each(summaries: Sequence[Summary], what: str) -> list[Value]:
    """What the verdicts say, once each, with the streams of which it is said."""
    streams: dict[str, list[str]] = {}
    for one in summaries:
        for sentence in cast("list[str]", one[what]):
            streams.setdefault(sentence, []).append(cast(str, one["stream"]))
    every = len(summaries)
    return [
        f"{f'Each of the {every:,} streams' if 1 < len(names) == every else ', '.join(names)}: {sentence}"
        for sentence, names in streams.items()
    ]


def _not_covered(summaries: Sequence[Summary], left: Sequence[Summary]) -> list[Value]:
    """What was not read at all."""
    resting, read = [str(one["stream"]) for one in left], [str(one["stream"]) for one in summaries]
    still = "is still as it was" if len(resting) == 1 else "are still as they were"
    unread: list[Value] = [f"That {', '.join(resting)} {still}: nothing is new there, so nothing was read."] if resting else []
    only = f"only {', '.join(read)} {'was' if len(read) == 1 else 'were'} read"
    return [*unread, f"Anything of other streams, those that hold no chains, or none that this console knows of: {only}."]


def _link(finding: Finding, stream: str) -> str:
    if finding.sequence is not None:
        return f"/streams/{stream}/{finding.sequence}/"
    ref = finding.aggregate
    return f"/aggregates/{ref.context}.{ref.type}/{ref.id}/?stream={stream}" if ref else f"/audit/{stream}/"


def _findings(count: int) -> str:
    return f"{count:,} finding{'' if count == 1 else 's'}"


def _earlier_of(every: Sequence[Any]) -> int:
    return sum(one["earlier_findings"] for one in every)


def _earlier(one: Any) -> str:
    count = one["earlier_findings"]
    first = f", the first at sequence {one['first_earlier']:,}" if one["first_earlier"] else ""
    return f"{count:,} earlier finding{' stands' if count == 1 else 's stand'}{first}"


def _confirmed(one: Any) -> str:
    """How far the witness confirms it, where that is less far than it is signed."""
    to = one.get("confirmed_to")
    return f", confirmed by the witness up to {to:,}" if to is not None and to < one["covered_to"] else ""


def _removed(one: Any) -> str:
    """What is not there because somebody removed it on purpose."""
    count, runs = one["removed_count"], one["removals"]
    who = [f"{runs:,} recorded run{'' if runs == 1 else 's'}"] if runs else []
    who += ["limits of the stream"] if any(not part["run"] for part in one["removed"]) else []
    return f"; {count:,} more {'was' if count == 1 else 'were'} removed by {' and '.join(who)}" if who else ""
