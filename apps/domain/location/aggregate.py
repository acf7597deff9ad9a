"""This module is the location as its events make it, what can be asked of it, and what it decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import Event, State

from ..declared.changes import clears, keeps
from ..declared.ids import LocationId
from ..declared.kinds import AggregateKind, Asked, CommandKind, EventKind, Happened
from ..declared.records import Record
from ..stored import inner
from ..values import Text
from .places import Coordinates, LocationType, PostalAddress, VirtualLocation
from .status import LOCATION_MACHINE, LocationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineLocation(Record):
    """A place becomes known. A physical one has an address or coordinates, a virtual one neither, but its platform."""

    name: Text
    location_type: LocationType
    address: PostalAddress | None = None
    coordinates: Coordinates | None = None
    virtual_location: VirtualLocation | None = None
    parent_id: LocationId | None = None
    metadata: Mapping[str, Text] | None = None

    def check(self) -> None:
        is_on_earth = self.address is not None or self.coordinates is not None
        if self.location_type is LocationType.PHYSICAL and not is_on_earth:
            raise InvalidInput("A physical location needs an address or coordinates; give one of them.")
        if self.location_type is LocationType.VIRTUAL and self.virtual_location is None:
            raise InvalidInput("A virtual location needs virtual_location; say its platform and its id there.")
        if self.location_type is LocationType.VIRTUAL and is_on_earth:
            raise InvalidInput("A virtual location has no address and no coordinates; make it hybrid, or leave them out.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParentLocation(Record):
    """It lies in another place."""

    parent_id: LocationId


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveParentLocation(Record):
    """It does not lie in another place any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddLocationMetadata(Record):
    """What else is to be known of it, by name; a name that is there gets the new text."""

    metadata: Mapping[str, Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLocation(Record):
    """It is not used any more."""

    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRemoved(Record):
    """The place in which it lay."""

    parent_id: LocationId


def _noted(state: State, event: Event) -> State:
    return {**state, "metadata": {**inner(state, "metadata"), **inner(event.payload, "metadata")}}


def _defined(state: State, event: Event) -> State:
    fields = ("name", "location_type", "address", "coordinates", "virtual_location", "parent_id")
    return {**keeps(*fields)(state, event), "metadata": event.payload.get("metadata") or {}}


DEFINED = EventKind(name="LocationDefined", payload=DefineLocation, change=_defined, becomes=LocationStatus.DEFINED)
PARENT_SET = EventKind(name="ParentLocationSet", payload=SetParentLocation, at="set_at", change=keeps("parent_id"))
PARENT_REMOVED = EventKind(name="ParentLocationRemoved", payload=ParentRemoved, at="removed_at", change=clears("parent_id"))
METADATA_ADDED = EventKind(name="LocationMetadataAdded", payload=AddLocationMetadata, at="added_at", change=_noted)
ARCHIVED = EventKind(name="LocationArchived", payload=ArchiveLocation, at="archived_at", becomes=LocationStatus.ARCHIVED)


def define(state: State, command: DefineLocation, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidInput where it would lie in itself."""
    _check_parent(command.parent_id, asked)
    return [DEFINED.of(command)]


def set_parent(state: State, command: SetParentLocation, asked: Asked) -> Sequence[Happened[Any]]:
    """The place in which it lies is removed first. Raises InvalidInput where it would lie in itself."""
    _check_parent(command.parent_id, asked)
    if state["parent_id"] == command.parent_id.text:
        return []
    return [*_parent_removed(state), PARENT_SET.of(command)]


def remove_parent(state: State, command: RemoveParentLocation, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState where it lies in none."""
    removed = _parent_removed(state)
    if not removed:
        raise InvalidState("The location lies in no other; there is nothing to remove.")
    return removed


def _parent_removed(state: State) -> list[Happened[Any]]:
    parent = state["parent_id"]
    return [PARENT_REMOVED.of(ParentRemoved(parent_id=LocationId(str(parent))))] if parent else []


def _check_parent(parent: LocationId | None, asked: Asked) -> None:
    if parent is not None and parent.text == asked.id:
        raise InvalidInput(f"The location {asked.id} cannot lie in itself; give another parent_id.")


LOCATION = AggregateKind(
    id=LocationId,
    title="Location",
    machine=LOCATION_MACHINE,
    label=("name",),
    empty={"parent_id": None, "metadata": {}},
    events=(DEFINED, PARENT_SET, PARENT_REMOVED, METADATA_ADDED, ARCHIVED),
    commands=(
        CommandKind(payload=DefineLocation, decide=define, begins=True),
        CommandKind(payload=SetParentLocation, decide=set_parent),
        CommandKind(payload=RemoveParentLocation, decide=remove_parent),
        CommandKind(payload=AddLocationMetadata, causes=METADATA_ADDED),
        CommandKind(payload=ArchiveLocation, causes=ARCHIVED),
    ),
)
