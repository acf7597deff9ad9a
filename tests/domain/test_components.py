"""Components: one of each type, with who added it and why, and new types without a change to the aggregate."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Self

import pytest

from apps.domain.components import (
    ComponentAlreadyExists,
    ComponentMetadata,
    ComponentNotFound,
    ComponentStorage,
    ComponentTypes,
    UnknownComponent,
    adding,
    component_changes,
    components_of,
    removing,
)
from apps.domain.rules import folding
from apps.domain.stored import Values, text
from apps.persistence.encoding import Value, decode, encode
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import NewEvent, State

from .given import WHEN, event

METADATA = ComponentMetadata(added_at=datetime(2026, 5, 1, tzinfo=UTC), added_by="ada", reason="they moved")


@dataclass(frozen=True, slots=True)
class Address:
    """Where something is."""

    component_type: ClassVar[str] = "address"
    city: str

    def to_value(self) -> dict[str, Value]:
        return {"city": self.city}

    @classmethod
    def from_value(cls, value: Values) -> Self:
        return cls(text(value, "city"))


@dataclass(frozen=True, slots=True)
class Badge:
    """What opens the door."""

    component_type: ClassVar[str] = "badge"
    number: str

    def to_value(self) -> dict[str, Value]:
        return {"number": self.number}

    @classmethod
    def from_value(cls, value: Values) -> Self:
        return cls(text(value, "number"))


@pytest.fixture
def types() -> ComponentTypes:
    return ComponentTypes([Address])


@pytest.fixture
def storage(types: ComponentTypes) -> ComponentStorage:
    return ComponentStorage(types).add(Address("Berlin"), METADATA)


def folded(types: ComponentTypes, *events: NewEvent) -> State:
    apply = folding("desk", component_changes(types))
    state: State = {"name": "desk 4"}
    for new in events:
        state = apply(state, event(new.type, new.payload))
    return state


def test_component_is_found_by_its_type_with_its_metadata(storage: ComponentStorage) -> None:
    assert storage.get(Address) == Address("Berlin")
    assert storage.metadata_of("address") == METADATA
    assert storage.get(Badge) is None


def test_second_of_a_type_is_refused(storage: ComponentStorage) -> None:
    with pytest.raises(ComponentAlreadyExists, match="There is a component address already"):
        storage.add(Address("Hamburg"), METADATA)
    with pytest.raises(ComponentAlreadyExists):
        adding(storage, Address("Hamburg"))


def test_metadata_goes_with_the_component(storage: ComponentStorage) -> None:
    left = storage.remove("address")

    assert (left.component_types, left.to_value()) == ((), {})
    with pytest.raises(ComponentNotFound, match="There is no component address"):
        left.metadata_of("address")


def test_what_is_not_there_cannot_be_removed(storage: ComponentStorage) -> None:
    with pytest.raises(ComponentNotFound, match="There is no component badge"):
        storage.remove("badge")
    with pytest.raises(ComponentNotFound):
        removing(storage, "badge")


def test_storage_and_components_never_change(storage: ComponentStorage) -> None:
    storage.remove("address")

    assert storage.get(Address) == Address("Berlin")
    with pytest.raises(FrozenInstanceError):
        storage.get(Address).city = "Hamburg"  # type: ignore[misc,union-attr]


def test_storage_is_written_and_read_again(storage: ComponentStorage, types: ComponentTypes) -> None:
    read = ComponentStorage.from_value(types, decode(encode(storage.to_value())))  # type: ignore[arg-type]

    assert (read.get(Address), read.metadata_of("address")) == (Address("Berlin"), METADATA)


def test_new_type_is_registered_without_changing_the_aggregate(types: ComponentTypes) -> None:
    before = folded(types, adding(ComponentStorage(types), Badge("b-7"), reason="first day"))

    unknown = components_of(before, types).find("badge")
    types.register(Badge)
    known = components_of(before, types).find("badge")

    assert unknown == UnknownComponent("badge", {"number": "b-7"})
    assert known == Badge("b-7")


def test_events_add_and_remove_them_in_a_state_that_keeps_the_rest(types: ComponentTypes) -> None:
    none = ComponentStorage(types)
    added = folded(types, adding(none, Address("Berlin"), reason="they moved"))
    storage = components_of(added, types)

    removed = folded(types, adding(none, Address("Berlin")), removing(storage, "address"))

    assert storage.metadata_of("address") == replace(METADATA, added_at=WHEN)
    assert removed == {"name": "desk 4", "components": {}}


def test_second_event_of_a_type_does_not_fold(types: ComponentTypes) -> None:
    twice = adding(ComponentStorage(types), Address("Berlin"))

    with pytest.raises(InvalidState, match="There is a component address already"):
        folded(types, twice, twice)


def test_name_of_a_type_is_taken_once(types: ComponentTypes) -> None:
    class Other(Address):
        """Has the same name."""

    with pytest.raises(InvalidInput, match="The component type address is registered already, for Address"):
        types.register(Other)
    types.register(Address)
