"""This package is nodes that work by themselves and meet again: how far an event travels, when, and what comes of two that disagree.

A node is an application with a server of its own, so everything works without a network. A link carries its events to a server of a higher
layer (container, leaf, cluster, super-cluster), where they are gathered beside those of other nodes, and brings those down. What several
nodes wrote to one aggregate while they were apart is merged by a rule that gives the same answer everywhere.
"""

from .conflicts import list_conflicts, merged_of, record_conflicts
from .envelope import IMMEDIATE, MANUAL, ON_CONNECTION, EventEnvelope, PropagationPolicy, When, batched, layer_above, policy_of, reaches
from .gathered import GATHERED_STREAM, Gathered, ensure_gathered, gather, gathered_of, layout_of
from .link import SYNC_BUCKET, Held, Link, LinkState, Passed, ensure_sync, held_of, pass_on, read_state, release
from .merge import Conflict, ConflictRule, Contender, Merged, merge
from .running import LinkStatus, bring_down, read_status, run_link

__all__ = [
    "GATHERED_STREAM",
    "IMMEDIATE",
    "MANUAL",
    "ON_CONNECTION",
    "SYNC_BUCKET",
    "Conflict",
    "ConflictRule",
    "Contender",
    "EventEnvelope",
    "Gathered",
    "Held",
    "Link",
    "LinkState",
    "LinkStatus",
    "Merged",
    "Passed",
    "PropagationPolicy",
    "When",
    "batched",
    "bring_down",
    "ensure_gathered",
    "ensure_sync",
    "gather",
    "gathered_of",
    "held_of",
    "layer_above",
    "layout_of",
    "list_conflicts",
    "merge",
    "merged_of",
    "pass_on",
    "policy_of",
    "reaches",
    "read_state",
    "read_status",
    "record_conflicts",
    "release",
    "run_link",
]
