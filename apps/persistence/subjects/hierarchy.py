"""This module is the four families of subjects under `cim`: built from their parts and taken apart again, with a typed error for others.

    cim.events.{context}.{aggregate}.{entity}.{event}.v{version}           one event, at this version of its aggregate
    cim.aggregates.{context}.{aggregate}.{entity}.state.s{schema}          the newest state of an aggregate
    cim.readmodels.{type}.{id}.{operation}                                 a notice that a read model was saved or deleted
    cim.snapshots.{context}.{aggregate}.{entity}.v{version}                a notice that a snapshot was taken

The first two are stored; notices are not, and say only where to look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..errors import InvalidSubject
from .convention import parse_version
from .grammar import MAX_SUBJECT_LENGTH, check_token, is_token

EVENTS_ROOT = "cim.events"
AGGREGATES_ROOT = "cim.aggregates"
READ_MODELS_ROOT = "cim.readmodels"
SNAPSHOTS_ROOT = "cim.snapshots"


class ModelOperation(StrEnum):
    """What was done to a read model."""

    SAVED = "saved"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSubject:
    """Where one event lies."""

    context: str
    aggregate: str
    entity: str
    event: str
    version: int

    def __post_init__(self) -> None:
        _check_name(self.context, self.aggregate, self.entity)
        check_token(self.event, "an event type")
        _check_number(self.version, "version")

    def __str__(self) -> str:
        return f"{EVENTS_ROOT}.{self.context}.{self.aggregate}.{self.entity}.{self.event}.v{self.version}"

    @classmethod
    def parse(cls, text: str) -> EventSubject:
        """Raises InvalidSubject."""
        context, aggregate, entity, event, version = _tokens(text, EVENTS_ROOT, "context.aggregate.entity.event.version", 5)
        return cls(context=context, aggregate=aggregate, entity=entity, event=event, version=parse_version(version))


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateSubject:
    """Where the newest state of an aggregate lies; `schema` is that of the state."""

    context: str
    aggregate: str
    entity: str
    schema: int

    def __post_init__(self) -> None:
        _check_name(self.context, self.aggregate, self.entity)
        _check_number(self.schema, "schema")

    def __str__(self) -> str:
        return f"{AGGREGATES_ROOT}.{self.context}.{self.aggregate}.{self.entity}.state.s{self.schema}"

    @classmethod
    def parse(cls, text: str) -> AggregateSubject:
        """Raises InvalidSubject."""
        context, aggregate, entity, word, schema = _tokens(text, AGGREGATES_ROOT, "context.aggregate.entity.state.schema", 5)
        if word != "state" or not schema.startswith("s"):
            raise InvalidSubject(
                f"{text[:80]!r} is no subject of a state: its last tokens are {word}.{schema}, and not state.s1, state.s2 and so on."
            )
        return cls(context=context, aggregate=aggregate, entity=entity, schema=parse_version(f"v{schema[1:]}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadModelSubject:
    """Where it is said that a read model changed. An id may hold dots."""

    type: str
    id: str
    operation: ModelOperation

    def __post_init__(self) -> None:
        check_token(self.type, "a model type")
        if not self.id or len(self.id) > MAX_SUBJECT_LENGTH // 2 or not all(map(is_token, self.id.split("."))):
            raise InvalidSubject(f"{self.id[:80]!r} cannot stand in a subject as a model's id: letters, digits, _ and - between dots only.")

    def __str__(self) -> str:
        return f"{READ_MODELS_ROOT}.{self.type}.{self.id}.{self.operation.value}"

    @classmethod
    def parse(cls, text: str) -> ReadModelSubject:
        """Raises InvalidSubject."""
        tokens = text.removeprefix(f"{READ_MODELS_ROOT}.").split(".")
        if not text.startswith(f"{READ_MODELS_ROOT}.") or len(tokens) < 3 or tokens[-1] not in set(ModelOperation):
            raise InvalidSubject(f"{text[:200]!r} is no notice of a read model; it is {READ_MODELS_ROOT}.type.id.saved or ….deleted.")
        return cls(type=tokens[0], id=".".join(tokens[1:-1]), operation=ModelOperation(tokens[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSubject:
    """Where it is said that a snapshot of an aggregate was taken."""

    context: str
    aggregate: str
    entity: str
    version: int

    def __post_init__(self) -> None:
        _check_name(self.context, self.aggregate, self.entity)
        _check_number(self.version, "version")

    def __str__(self) -> str:
        return f"{SNAPSHOTS_ROOT}.{self.context}.{self.aggregate}.{self.entity}.v{self.version}"

    @classmethod
    def parse(cls, text: str) -> SnapshotSubject:
        """Raises InvalidSubject."""
        context, aggregate, entity, version = _tokens(text, SNAPSHOTS_ROOT, "context.aggregate.entity.version", 4)
        return cls(context=context, aggregate=aggregate, entity=entity, version=parse_version(version))


CimSubject = EventSubject | AggregateSubject | ReadModelSubject | SnapshotSubject
_FAMILIES: Mapping[str, Callable[[str], CimSubject]] = {
    EVENTS_ROOT: EventSubject.parse,
    AGGREGATES_ROOT: AggregateSubject.parse,
    READ_MODELS_ROOT: ReadModelSubject.parse,
    SNAPSHOTS_ROOT: SnapshotSubject.parse,
}


def parse_cim_subject(text: str) -> CimSubject:
    """The parts of a subject of any family. Raises InvalidSubject."""
    parse = _FAMILIES.get(".".join(text.split(".")[:2]))
    if parse is None:
        raise InvalidSubject(f"{text[:200]!r} is of none of the families {', '.join(_FAMILIES)}.")
    return parse(text)


def _tokens(text: str, root: str, form: str, count: int) -> list[str]:
    tokens = text.removeprefix(f"{root}.").split(".")
    if not text.startswith(f"{root}.") or len(tokens) != count:
        raise InvalidSubject(f"{text[:200]!r} is no subject of the form {root}.{form}.")
    return tokens


def _check_name(context: str, aggregate: str, entity: str) -> None:
    check_token(context, "a context")
    check_token(aggregate, "an aggregate type")
    check_token(entity, "an aggregate id")


def _check_number(number: int, what: str) -> None:
    if type(number) is not int or number < 1:
        raise InvalidSubject(f"A subject cannot say the {what} {number!r}; it is a whole number from 1 on.")
