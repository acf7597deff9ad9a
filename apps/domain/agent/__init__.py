"""This package is the agent: a person, a program or a model that acts for somebody, with what it can and may do."""

from .aggregate import AGENT
from .status import AGENT_MACHINE, AgentStatus

__all__ = ["AGENT", "AGENT_MACHINE", "AgentStatus"]
