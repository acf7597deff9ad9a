"""This module is what can be asked of an agent, and the records that its events hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from apps.persistence.errors import InvalidInput

from ..declared.ids import PersonId
from ..declared.records import Record
from ..values import FreeForm, Prose, Text


class AgentType(StrEnum):
    """What acts."""

    HUMAN = "human"
    AI = "ai"
    SYSTEM = "system"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMetadata(Record):
    """How an agent is called and described."""

    name: Text
    description: Prose
    tags: tuple[Text, ...] = ()
    created_at: datetime | None = None
    last_active: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Record):
    """A tool that an agent may use."""

    name: Text
    description: Prose
    version: Text
    parameters: FreeForm | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployAgent(Record):
    """An agent comes to be; it is initializing until it is activated."""

    agent_type: AgentType
    owner_id: PersonId
    metadata: AgentMetadata


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateAgent(Record):
    """It may act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendAgent(Record):
    """It may not act for a time."""

    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAgentOffline(Record):
    """It cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecommissionAgent(Record):
    """It will never act again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAgentCapabilities(Record):
    """What it can do from now on, and what not any more."""

    add_capabilities: tuple[Text, ...] = ()
    remove_capabilities: tuple[Text, ...] = ()

    def check(self) -> None:
        both = sorted({one.text for one in self.add_capabilities} & {one.text for one in self.remove_capabilities})
        if both:
            raise InvalidInput(f"{', '.join(both)} is to be added and removed at once; leave it out of one of them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities(Record):
    """What came to an agent, or left it."""

    capabilities: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantAgentPermissions(Record):
    """What it may do from now on."""

    permissions: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeAgentPermissions(Record):
    """What it may not do any more."""

    permissions: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableAgentTools(Record):
    """Tools that it may use; one of the same name takes the other's place."""

    tools: tuple[Tool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableAgentTools(Record):
    """Tools that it may not use any more; they stay on its list."""

    tool_names: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAgentConfiguration(Record):
    """The settings that take the place of those it has."""

    config: FreeForm
    version: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRemoved(Record):
    """The settings that it had."""

    old_config: FreeForm


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationSet(Record):
    """The settings that it has."""

    new_config: FreeForm
    version: Text
