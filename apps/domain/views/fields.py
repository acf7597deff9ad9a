"""This module is what a read model says of each kind of aggregate: fields that are searched and shown, made from its state alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from apps.persistence.encoding import Value
from apps.persistence.events import State
from apps.persistence.projections.definition import Model

from ..agent import AGENT
from ..declared.changes import items
from ..declared.kinds import AggregateKind
from ..document import DOCUMENT
from ..location import LOCATION
from ..organization import ORGANIZATION
from ..person import PERSON
from ..policy import POLICY
from ..workflow import WORKFLOW

View = Callable[[State], Model]


def _person(state: State) -> Model:
    parts = _map(state, "components")
    identity, employment, access = _map(parts, "identity"), _map(parts, "employment"), _map(parts, "access")
    return {
        "legal_name": identity.get("legal_name"),
        "preferred_name": identity.get("preferred_name"),
        "email": _primary_email(_map(parts, "contact")),
        "location_id": state.get("location_id"),
        "organization_id": employment.get("organization_id"),
        "title": employment.get("title"),
        "roles": items(access, "roles"),
    }


def _organization(state: State) -> Model:
    return {
        **_picked(state, "name", "org_type", "parent_id", "child_units", "primary_location_id"),
        "member_count": len(items(state, "members")),
        "location_count": len(items(state, "locations")),
    }


def _agent(state: State) -> Model:
    metadata = _map(state, "metadata")
    tools = cast("dict[str, State]", _map(state, "tools"))
    return {
        **_picked(state, "agent_type", "owner_id", "capabilities", "permissions"),
        "name": metadata.get("name"),
        "tools": [name for name, tool in tools.items() if tool["enabled"]],
    }


def _location(state: State) -> Model:
    address, coordinates = _map(state, "address"), _map(state, "coordinates")
    return {
        **_picked(state, "name", "location_type", "parent_id"),
        "locality": address.get("locality"),
        "country": address.get("country"),
        "latitude": coordinates.get("latitude"),
        "longitude": coordinates.get("longitude"),
    }


def _policy(state: State) -> Model:
    metadata, scope = _map(state, "metadata"), _map(state, "scope")
    return {
        **_picked(state, "policy_type", "owner_id"),
        "name": metadata.get("name"),
        "tags": items(metadata, "tags"),
        "scope": scope.get("kind"),
        "organization_id": scope.get("organization_id"),
        "approvals": len(items(state, "approvals")),
    }


def _document(state: State) -> Model:
    info, classification = _map(state, "info"), _map(state, "classification")
    said = [info.get("title"), info.get("description"), info.get("filename")]
    return {
        **_picked(state, "version_number", "uploaded_by", "content_cid"),
        "title": info.get("title"),
        "mime_type": info.get("mime_type"),
        "tags": items(classification, "tags"),
        "confidentiality": classification.get("confidentiality"),
        "owner_id": _map(state, "ownership").get("owner_id"),
        "text": " ".join(one for one in said if isinstance(one, str)).casefold(),
    }


def _workflow(state: State) -> Model:
    picked = _picked(state, "definition_id", "current_state", "started_at", "completed_at", "total_duration")
    context = _map(state, "context")
    return {**picked, "transition_count": len(items(state, "history")), "error": context.get("failure_reason")}


VIEWS: Mapping[str, tuple[AggregateKind, View]] = {
    kind.id.type: (kind, view)
    for kind, view in (
        (PERSON, _person),
        (ORGANIZATION, _organization),
        (AGENT, _agent),
        (LOCATION, _location),
        (POLICY, _policy),
        (DOCUMENT, _document),
        (WORKFLOW, _workflow),
    )
}


def _picked(state: State, *names: str) -> Model:
    return {name: state.get(name) for name in names}


def _map(values: Mapping[str, Value], name: str) -> State:
    """The map under `name`; empty where there is none."""
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _primary_email(contact: State) -> Value:
    """The e-mail address that is marked, or the first."""
    emails = cast("list[State]", items(contact, "emails"))
    marked = [one for one in emails if one.get("is_primary")] or emails
    return marked[0]["email"] if marked else None
