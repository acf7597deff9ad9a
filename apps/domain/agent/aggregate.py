"""This module is the agent as its events make it, and what it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.persistence.errors import InvalidState
from apps.persistence.events import Event, State

from ..declared.changes import adds, clears, items, keeps, removes
from ..declared.ids import AgentId
from ..declared.kinds import AggregateKind, Asked, CommandKind, EventKind, Happened
from ..stored import inner, text
from ..values import FreeForm, Text
from .commands import (
    ActivateAgent,
    Capabilities,
    ConfigurationRemoved,
    ConfigurationSet,
    DecommissionAgent,
    DeployAgent,
    DisableAgentTools,
    EnableAgentTools,
    GrantAgentPermissions,
    RevokeAgentPermissions,
    SetAgentOffline,
    SuspendAgent,
    UpdateAgentCapabilities,
    UpdateAgentConfiguration,
)
from .status import AGENT_MACHINE, AgentStatus


def _tools_enabled(state: State, event: Event) -> State:
    tools = dict(inner(state, "tools"))
    for tool in items(event.payload, "tools"):
        assert isinstance(tool, dict)
        tools[text(tool, "name")] = tool
    return {**state, "tools": tools}


def _tools_disabled(state: State, event: Event) -> State:
    names, tools = items(event.payload, "tool_names"), inner(state, "tools")
    return {**state, "tools": {name: {**inner(tools, name), "enabled": False} if name in names else tool for name, tool in tools.items()}}


def _configured(state: State, event: Event) -> State:
    return {**state, "config": event.payload["new_config"], "config_version": event.payload["version"]}


DEPLOYED = EventKind(
    name="AgentDeployed",
    payload=DeployAgent,
    at="deployed_at",
    change=keeps("agent_type", "owner_id", "metadata"),
    becomes=AgentStatus.INITIALIZING,
)
ACTIVATED = EventKind(
    name="AgentActivated", payload=ActivateAgent, at="activated_at", change=clears("suspended_because"), becomes=AgentStatus.ACTIVE
)
SUSPENDED = EventKind(
    name="AgentSuspended",
    payload=SuspendAgent,
    at="suspended_at",
    change=lambda state, event: {**state, "suspended_because": event.payload["reason"]},
    becomes=AgentStatus.SUSPENDED,
)
WENT_OFFLINE = EventKind(name="AgentWentOffline", payload=SetAgentOffline, at="offline_at", becomes=AgentStatus.OFFLINE)
DECOMMISSIONED = EventKind(
    name="AgentDecommissioned", payload=DecommissionAgent, at="decommissioned_at", becomes=AgentStatus.DECOMMISSIONED
)
CAPABILITIES_ADDED = EventKind(name="AgentCapabilitiesAdded", payload=Capabilities, at="added_at", change=adds("capabilities"))
CAPABILITIES_REMOVED = EventKind(name="AgentCapabilitiesRemoved", payload=Capabilities, at="removed_at", change=removes("capabilities"))
PERMISSIONS_GRANTED = EventKind(name="AgentPermissionsGranted", payload=GrantAgentPermissions, at="granted_at", change=adds("permissions"))
PERMISSIONS_REVOKED = EventKind(
    name="AgentPermissionsRevoked", payload=RevokeAgentPermissions, at="revoked_at", change=removes("permissions")
)
TOOLS_ENABLED = EventKind(name="AgentToolsEnabled", payload=EnableAgentTools, at="enabled_at", change=_tools_enabled)
TOOLS_DISABLED = EventKind(name="AgentToolsDisabled", payload=DisableAgentTools, at="disabled_at", change=_tools_disabled)
CONFIGURATION_REMOVED = EventKind(
    name="AgentConfigurationRemoved", payload=ConfigurationRemoved, at="removed_at", change=clears("config", "config_version")
)
CONFIGURATION_SET = EventKind(name="AgentConfigurationSet", payload=ConfigurationSet, at="set_at", change=_configured)


def update_capabilities(state: State, command: UpdateAgentCapabilities, asked: Asked) -> Sequence[Happened[Any]]:
    """Removed are those that it has, added those that it lacks; nothing happens where nothing changes."""
    held = items(state, "capabilities")
    gone = tuple(one for one in command.remove_capabilities if one.text in held)
    new = tuple(one for one in command.add_capabilities if one.text not in held)
    removed = [CAPABILITIES_REMOVED.of(Capabilities(capabilities=gone))] if gone else []
    return removed + ([CAPABILITIES_ADDED.of(Capabilities(capabilities=new))] if new else [])


def disable_tools(state: State, command: DisableAgentTools, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for a tool that it does not have."""
    tools = inner(state, "tools")
    unknown = [name.text for name in command.tool_names if name.text not in tools]
    if unknown:
        raise InvalidState(f"The agent has no tool {', '.join(unknown)}; it has {', '.join(tools) or 'none'}.")
    return [TOOLS_DISABLED.of(command)]


def update_configuration(state: State, command: UpdateAgentConfiguration, asked: Asked) -> Sequence[Happened[Any]]:
    """The settings that it has are removed, and the new ones set."""
    settled = ConfigurationSet(new_config=command.config, version=Text(command.version.text))
    before = state.get("config")
    removed = [CONFIGURATION_REMOVED.of(ConfigurationRemoved(old_config=FreeForm(before)))] if isinstance(before, dict) else []
    return [*removed, CONFIGURATION_SET.of(settled)]


AGENT = AggregateKind(
    id=AgentId,
    title="Agent",
    machine=AGENT_MACHINE,
    label=("metadata", "name"),
    empty={"capabilities": [], "permissions": [], "tools": {}, "config": None, "config_version": None, "suspended_because": None},
    events=(
        DEPLOYED, ACTIVATED, SUSPENDED, WENT_OFFLINE, DECOMMISSIONED, CAPABILITIES_ADDED, CAPABILITIES_REMOVED, PERMISSIONS_GRANTED,
        PERMISSIONS_REVOKED, TOOLS_ENABLED, TOOLS_DISABLED, CONFIGURATION_REMOVED, CONFIGURATION_SET,
    ),
    commands=(
        CommandKind(payload=DeployAgent, causes=DEPLOYED, begins=True),
        CommandKind(payload=ActivateAgent, causes=ACTIVATED),
        CommandKind(payload=SuspendAgent, causes=SUSPENDED),
        CommandKind(payload=SetAgentOffline, causes=WENT_OFFLINE),
        CommandKind(payload=DecommissionAgent, causes=DECOMMISSIONED),
        CommandKind(payload=UpdateAgentCapabilities, decide=update_capabilities),
        CommandKind(payload=GrantAgentPermissions, causes=PERMISSIONS_GRANTED),
        CommandKind(payload=RevokeAgentPermissions, causes=PERMISSIONS_REVOKED),
        CommandKind(payload=EnableAgentTools, causes=TOOLS_ENABLED),
        CommandKind(payload=DisableAgentTools, decide=disable_tools),
        CommandKind(payload=UpdateAgentConfiguration, decide=update_configuration),
    ),
)  # fmt: skip
