"""This module is components: parts of an aggregate that are added and removed whole, one of each type, unknown to the aggregate.

A type is registered in a `ComponentTypes`; the aggregate only has a `ComponentStorage` in its state, changed by two events. Components of
a type that nobody registered stay as they are, and are written again as they were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar, Protocol, Self, TypeVar, cast, runtime_checkable

from apps.persistence.encoding import Value, decode, encode
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import Event, NewEvent, State, format_time, parse_time
from apps.persistence.subjects import check_token

from .rules import Change
from .stored import Values, inner, text

ADDED = "component_added"
REMOVED = "component_removed"


class ComponentAlreadyExists(InvalidState):
    """The aggregate has a component of this type; remove it first."""

    def __init__(self, component_type: str) -> None:
        super().__init__(f"There is a component {component_type} already, and there is one of each type; remove it first.")
        self.component_type = component_type


class ComponentNotFound(InvalidState):
    """The aggregate has no component of this type."""

    def __init__(self, component_type: str) -> None:
        super().__init__(f"There is no component {component_type}.")
        self.component_type = component_type


@runtime_checkable
class Component(Protocol):
    """A frozen value that can be written and read again."""

    component_type: ClassVar[str]

    def to_value(self) -> dict[str, Value]:
        """What DAG-CBOR can hold."""

    @classmethod
    def from_value(cls, value: Values) -> Self:
        """Read what `to_value` gave. Raises InvalidInput."""


C = TypeVar("C", bound=Component)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentMetadata:
    """Who added a component, when, and why if they said so; it goes when the component goes."""

    added_at: datetime
    added_by: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UnknownComponent:
    """A component of a type that is not registered here, as it is stored."""

    type: str
    value: Mapping[str, Value]


class ComponentTypes:
    """The types that are known; more can be registered at any time, without a change to any aggregate."""

    def __init__(self, types: Iterable[type[Component]] = ()) -> None:
        self._types: dict[str, type[Component]] = {}
        for kind in types:
            self.register(kind)

    def register(self, kind: type[Component]) -> None:
        """Raises InvalidInput where the name is taken by another type, or is no token."""
        name = check_token(kind.component_type, "a component type")
        if self._types.setdefault(name, kind) is not kind:
            raise InvalidInput(f"The component type {name} is registered already, for {self._types[name].__name__}; name one of them anew.")

    def read(self, name: str, value: Values) -> Component | UnknownComponent:
        """The component as its type reads it."""
        kind = self._types.get(name)
        return kind.from_value(value) if kind else UnknownComponent(name, MappingProxyType(dict(value)))


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Values
    metadata: ComponentMetadata


@dataclass(frozen=True, slots=True)
class ComponentStorage:
    """The components of one aggregate. It never changes: adding and removing give another one."""

    types: ComponentTypes
    _kept: Mapping[str, _Kept] = field(default_factory=dict)

    @property
    def component_types(self) -> tuple[str, ...]:
        """What there is, by name."""
        return tuple(sorted(self._kept))

    def add(self, component: Component, metadata: ComponentMetadata) -> ComponentStorage:
        """With `component`. Raises ComponentAlreadyExists, and InvalidInput for what cannot be stored."""
        name = check_token(component.component_type, "a component type")
        if name in self._kept:
            raise ComponentAlreadyExists(name)
        value = cast(Values, decode(encode(component.to_value())))  # a copy of its own
        return ComponentStorage(self.types, {**self._kept, name: _Kept(value, metadata)})

    def remove(self, component_type: str) -> ComponentStorage:
        """Without it and its metadata. Raises ComponentNotFound."""
        if component_type not in self._kept:
            raise ComponentNotFound(component_type)
        return ComponentStorage(self.types, {name: one for name, one in self._kept.items() if name != component_type})

    def get(self, kind: type[C]) -> C | None:
        """The component of this type, or None."""
        kept = self._kept.get(kind.component_type)
        return kind.from_value(kept.value) if kept else None

    def find(self, component_type: str) -> Component | UnknownComponent | None:
        """The component of this name, or None."""
        kept = self._kept.get(component_type)
        return self.types.read(component_type, kept.value) if kept else None

    def metadata_of(self, component_type: str) -> ComponentMetadata:
        """Raises ComponentNotFound."""
        if component_type not in self._kept:
            raise ComponentNotFound(component_type)
        return self._kept[component_type].metadata

    def to_value(self) -> dict[str, Value]:
        """For a state or a read model."""
        return {name: _written(one) for name, one in sorted(self._kept.items())}

    @classmethod
    def from_value(cls, types: ComponentTypes, value: Values) -> ComponentStorage:
        """Read what `to_value` gave."""
        return cls(types, {name: _read(inner(value, name)) for name in value})


def adding(storage: ComponentStorage, component: Component, *, reason: str | None = None) -> NewEvent:
    """The event that adds it. Raises ComponentAlreadyExists."""
    if component.component_type in storage.component_types:
        raise ComponentAlreadyExists(component.component_type)
    payload: dict[str, Value] = {"component_type": component.component_type, "component": component.to_value(), "reason": reason}
    return NewEvent(type=ADDED, payload=payload)


def removing(storage: ComponentStorage, component_type: str, *, reason: str | None = None) -> NewEvent:
    """The event that removes it. Raises ComponentNotFound."""
    storage.metadata_of(component_type)
    return NewEvent(type=REMOVED, payload={"component_type": component_type, "reason": reason})


def component_changes(types: ComponentTypes) -> dict[str, Change]:
    """What the two events do to a state that keeps its components under `components`; for an aggregate's table of changes."""

    def added(state: State, event: Event) -> State:
        name, reason = text(event.payload, "component_type"), cast("str | None", event.payload.get("reason"))
        storage = components_of(state, types)
        metadata = ComponentMetadata(added_at=event.time, added_by=event.actor, reason=reason)
        if name in storage.component_types:
            raise ComponentAlreadyExists(name)
        kept = {**storage.to_value(), name: _written(_Kept(inner(event.payload, "component"), metadata))}
        return {**state, "components": kept}

    def removed(state: State, event: Event) -> State:
        left = components_of(state, types).remove(text(event.payload, "component_type"))
        return {**state, "components": left.to_value()}

    return {ADDED: added, REMOVED: removed}


def components_of(state: State, types: ComponentTypes) -> ComponentStorage:
    """The components in a state; none where it has none yet."""
    return ComponentStorage.from_value(types, inner(state, "components") if "components" in state else {})


def _written(kept: _Kept) -> Value:
    metadata = kept.metadata
    told: dict[str, Value] = {"added_at": format_time(metadata.added_at), "added_by": metadata.added_by, "reason": metadata.reason}
    return {"value": dict(kept.value), "metadata": told}


def _read(value: Values) -> _Kept:
    told = inner(value, "metadata")
    metadata = ComponentMetadata(
        added_at=parse_time(text(told, "added_at")), added_by=text(told, "added_by"), reason=cast("str | None", told["reason"])
    )
    return _Kept(inner(value, "value"), metadata)
