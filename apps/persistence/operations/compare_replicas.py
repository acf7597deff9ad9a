"""This module is comparing the replicas of a stream: each node is asked for every event that it has, and the wrong one is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ..encoding import Value
from ..log.leaves import parse_leaf
from ..registry import Registry
from ..replicas import NodeCopy, ReplicaComparison, check_replicated, compare_replicas
from ..store import Store, get_stream
from ..work.findings import RunFinding, RunFindings
from ..work.operation import Change, Outcome, Plan, Progress, Sample
from ..work.rates import measured_rate
from .verify_extents import chained_streams

REPLICA_DIFFERS = "replica_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareReplicas:
    """Asks every node of a stream for its own copy, and holds the copies against the log and against each other."""

    title: ClassVar[str] = "Compare the replicas of a stream"
    permission: ClassVar[str] = "operations.compare_replicas"

    stream: str = field(default="CIM-EVENTS", metadata={"help": "The stream whose replicas are compared.", "choices": chained_streams})

    @property
    def target(self) -> str:
        """One at a time for each stream."""
        return f"replicas/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """How much would be read from whom. Raises InvalidInput where there is one replica, StreamNotFound."""
        info = await get_stream(store.connection, self.stream)
        check_replicated(info)
        rate, source = await measured_rate(store.connection, "compare-replicas", self.target)
        offline = [one.name for one in info.followers if one.is_offline]
        return Plan(
            summary=f"Compare the {info.replicas} replicas of {self.stream}",
            saw={},
            changes=(
                Change(what="Events to read from each node", now="0", after=f"{info.last_sequence:,}"),
                Change(what="Leader", now="", after=info.leader or "none"),
                Change(what="Others", now="", after=", ".join(one.name for one in info.followers) or "none"),
            ),
            notes=(
                "Reads only. On each node a consumer exists for as long as it is read.",
                *((f"Offline, so nothing will be known of them: {', '.join(offline)}.",) if offline else ()),
            ),
            undo="Nothing is changed.",
            seconds=info.last_sequence / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Ask all, compare, and name who is wrong. An interrupted one begins again."""

        async def on_progress(done: int, total: int) -> None:
            await progress.report(done, total, sequence=done)

        found = await compare_replicas(store.connection, self.stream, on_progress=on_progress)
        findings = RunFindings(store.connection, progress.run_id)
        for node in found.nodes:
            if node.is_wrong or not node.is_asked:
                await findings.add(_finding(found, node))
        await findings.save()
        await progress.report(found.last, found.last, checkpoint={"found": findings.checkpoint}, force=True)
        return Outcome(
            sentence=_sentence(found),
            figures={
                "events": found.last,
                "seconds": progress.seconds,
                "logged": found.logged,
                "gone": found.gone,
                "nodes": [_figures(node) for node in found.nodes],
                **findings.figures,
                "intact": found.agrees,
            },
            samples=tuple(_sample(node) for node in found.nodes),
        )

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        """For people."""
        return "It begins again." if why == "pause" else "Without a verdict; nothing was changed."


def _sentence(found: ReplicaComparison) -> str:
    said = [node.sentence for node in found.nodes if node.sentence]
    if found.undecided is not None:
        said.append(f"at sequence {found.undecided:,} the nodes hold different things, and nothing was logged of it yet")
    if said:
        return f"{found.stream}: {'; '.join(said)}. {_advice(found)}".strip()
    gone = f" {found.gone:,} logged events lie on no node; verify says whether they went on purpose." if found.gone else ""
    against = f", {found.logged:,} of them as they were logged" if found.logged else "; nothing was logged of them yet"
    return f"All {len(found.nodes)} nodes hold the same {found.last:,} sequences of {found.stream}{against}.{gone}"


def _advice(found: ReplicaComparison) -> str:
    """What a person can do; the console changes nothing by itself."""
    if not found.wrong:
        return ""
    name = found.stream
    wrong = [node.name for node in found.wrong]
    if len(wrong) == len(found.nodes):
        return "Every node is wrong: restore the stream from a backup."
    leads = [node.name for node in found.wrong if node.is_leader]
    step = f"`nats stream cluster step-down {name}` until another than {leads[0]} leads, then " if leads else ""
    return f"To mend it: {step}set its replicas to 1 and back: the others then fetch the leader's copy. Compare again."


def _finding(found: ReplicaComparison, node: NodeCopy) -> RunFinding:
    was, now = (parse_leaf(leaf) for leaf in node.changed) if node.changed else (None, None)
    sequence = node.first_bad
    return RunFinding(
        cause=REPLICA_DIFFERS,
        stream=found.stream,
        sequence=sequence,
        expected=str(was.cid) if was else f"what was logged of {found.stream}, or what most nodes hold",
        found=str(now.cid) if now else node.sentence,
        explanation=f"{node.sentence[:1].upper()}{node.sentence[1:]}",
        link=f"/streams/{found.stream}/{sequence}/" if sequence else "",
    )


def _figures(node: NodeCopy) -> Value:
    return {
        "name": node.name,
        "is_leader": node.is_leader,
        "why_not": node.why_not,
        "messages": node.messages,
        "first": node.first,
        "last": node.last,
        "deleted": node.deleted,
        "lacks": node.lacks.count,
        "other": node.other.count,
        "extra": node.extra.count,
        "first_bad": node.first_bad,
        "root": node.tree.root().hex() if node.is_asked else "",
    }


def _sample(node: NodeCopy) -> Sample:
    role = "leads" if node.is_leader else "follows"
    if not node.is_asked:
        return Sample(what=f"node {node.name}, {role}", now="could not be asked", note=node.why_not, is_bad=True)
    served = f"{node.first:,} to {node.last:,}, {node.messages:,} events, {node.deleted:,} missing between"
    return Sample(
        what=f"node {node.name}, {role}", now=served, after=f"root {node.tree.root().hex()[:16]}…", note=node.sentence, is_bad=node.is_wrong
    )
