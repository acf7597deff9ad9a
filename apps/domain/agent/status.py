"""This module is the life of an agent as a table: the one of the design patterns.

The code of the original library allowed two moves more, from suspended to offline and from initializing to decommissioned; they are not
in its design, and are refused here.
"""

from __future__ import annotations

from enum import StrEnum

from ..machine import StateMachine


class AgentStatus(StrEnum):
    """Where an agent stands."""

    INITIALIZING = "initializing"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    OFFLINE = "offline"
    DECOMMISSIONED = "decommissioned"


AGENT_MACHINE = StateMachine(
    what="agent",
    transitions={
        AgentStatus.INITIALIZING: frozenset({AgentStatus.ACTIVE}),
        AgentStatus.ACTIVE: frozenset({AgentStatus.SUSPENDED, AgentStatus.OFFLINE, AgentStatus.DECOMMISSIONED}),
        AgentStatus.SUSPENDED: frozenset({AgentStatus.ACTIVE, AgentStatus.DECOMMISSIONED}),
        AgentStatus.OFFLINE: frozenset({AgentStatus.ACTIVE, AgentStatus.DECOMMISSIONED}),
        AgentStatus.DECOMMISSIONED: frozenset(),
    },
)
