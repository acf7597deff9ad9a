"""This module is layouts: which stream holds a kind of events, and how aggregate, event and version are read from a subject.

*versioned*: `{root}.{context}.{aggregate}.{entity}.{event}.v{version}`; every event has a subject of its own, which makes one aggregate
a single look-up and a second event of one version impossible.
*flat*: `{root}.{context}.{aggregate}.{entity}`; one subject for each aggregate, whose version and type are read from the block. It takes a
third of the server's memory, for tens of millions of events; a version is found by reading the aggregate, and types cannot be filtered by
subject.
*foreign*: somebody else's subjects, described by a pattern such as `orders.{entity}.{event}`; there are no versions and no chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ..errors import FeatureUnavailable, InvalidInput, InvalidSubject
from ..events import AggregateRef, Event
from ..subjects import check_token
from ..subjects.grammar import TOKEN

_PLACES = frozenset({"context", "aggregate", "entity", "event"})
_PARTS = re.compile(rf"({TOKEN})\.({TOKEN})\.({TOKEN})\.({TOKEN})\.v([1-9][0-9]*)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectParts:
    """What a subject says; `event` and `version` are None where the layout does not hold them."""

    context: str
    aggregate: str
    entity: str
    event: str | None
    version: int | None

    @property
    def ref(self) -> AggregateRef:
        """The aggregate that the subject names. Raises InvalidSubject if one of its tokens is outside our grammar."""
        return AggregateRef(self.context, self.aggregate, self.entity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A stream and how its subjects are made.

    `context`, if given, is that of every aggregate here and stands in `root` instead of in the subject. `pattern` is for foreign
    layouts: literal tokens, `*`, and each of `{context}`, `{aggregate}`, `{entity}`, `{event}` at most once; what is not in the
    pattern comes from `context` and `aggregate`. A pattern that ends in `>` ignores the rest. `aggregate` with `context` in another layout
    is the one type of aggregates that the stream holds. `max_events` is how many events an aggregate may have (None: any number).

    A declared layout stands for whichever generation of its stream serves (see generations.py); `of_generation` is one certain generation,
    whose `declared` is the stream that was declared.
    """

    stream: str
    root: str = "cim.events"
    kind: Literal["versioned", "flat", "foreign"] = "versioned"
    context: str | None = None
    aggregate: str | None = None
    pattern: str | None = None
    demo: bool = False
    generation: int = 1
    declared: str = ""
    is_pinned: bool = field(default=False, compare=False)
    max_events: int | None = None

    def __post_init__(self) -> None:
        if self.kind == "foreign":
            _check_pattern(self)
        elif self.aggregate and not self.context:
            raise InvalidInput(f"The layout of {self.stream} names the aggregate type {self.aggregate} without its context; give both.")

    @property
    def is_chained(self) -> bool:
        """Whether events here have versions that their subjects say, and link to each other."""
        return self.kind == "versioned"

    @property
    def takes_events(self) -> bool:
        """Whether events of our own can be appended here: each a block with its version and the link to the one before it."""
        return self.kind != "foreign"

    @property
    def name(self) -> str:
        """The declared stream, whatever the generation: by this name projections and records know the events."""
        return self.declared or self.stream

    def of_generation(self, number: int) -> Layout:
        """The same events in generation `number`, whether it serves or not. Only of a declared layout."""
        if number == 1:
            return replace(self, is_pinned=True)
        return replace(
            self, stream=f"{self.stream}-{number}", root=f"{self.root}{number}", generation=number, declared=self.stream, is_pinned=True
        )

    @property
    def subjects(self) -> str:
        """The pattern of all subjects of this layout."""
        if self.kind != "versioned":
            return re.sub(r"\{\w+\}", "*", self._template)
        return f"{self._prefix}.{self.aggregate}.>" if self.aggregate else f"{self._prefix}.>"

    def subject(self, event: Event) -> str:
        """Where `event` belongs. Not for a foreign layout."""
        ref = event.aggregate
        if self.kind == "flat":
            return self._aggregate(ref)
        return f"{self._aggregate(ref)}.{check_token(event.type, 'an event type')}.v{event.version}"

    def parse(self, subject: str) -> SubjectParts | None:
        """What `subject` says, or None if it is not of this layout."""
        return self._parse_versioned(subject) if self.kind == "versioned" else self._parse_template(subject)

    def all_of(self, ref: AggregateRef) -> str:
        """The pattern of every event of one aggregate."""
        if self.kind == "foreign":
            return self._filled({"context": ref.context, "aggregate": ref.type, "entity": ref.id, "event": "*"})
        return self._aggregate(ref) if self.kind == "flat" else f"{self._aggregate(ref)}.>"

    def pattern_of(self, *, context: str = "*", aggregate: str = "*", entity: str = "*", event: str = "*") -> str:
        """The pattern of all events of these aggregates and types; in a flat layout, of all types."""
        if self.kind != "versioned":
            return self._filled({"context": context, "aggregate": aggregate, "entity": entity, "event": event})
        aggregate = self.aggregate if self.aggregate and aggregate == "*" else aggregate
        return f"{self._prefix if self.context else f'{self.root}.{context}'}.{aggregate}.{entity}.{event}.*"

    def at_version(self, ref: AggregateRef, version: int) -> str:
        """The pattern of one version of one aggregate, whatever the event's type. Raises FeatureUnavailable where subjects hold none."""
        if self.kind != "versioned":
            raise FeatureUnavailable(f"Subjects in {self.stream} carry no version, so version {version} of {ref} cannot be looked up.")
        return f"{self._aggregate(ref)}.*.v{version}"

    def first_of_each(self, *, context: str = "*", aggregate: str = "*") -> str:
        """The pattern of version 1 of every aggregate of a type: one subject for each aggregate."""
        head = self.root if self.context else f"{self.root}.{context}"
        aggregate = self.aggregate if self.aggregate and aggregate == "*" else aggregate
        return f"{head if not self.context else self._prefix}.{aggregate}.*.*.v1"

    def names_one(self, pattern: str) -> bool:
        """Whether `pattern` can match the events of one aggregate only. Only for a versioned layout."""
        tokens = pattern.split(".")[: len(self._prefix.split(".")) + (2 if self.context else 3)]
        return not {"*", ">"} & set(tokens)

    @property
    def _prefix(self) -> str:
        return f"{self.root}.{self.context}" if self.context else self.root

    @property
    def _template(self) -> str:
        """The subjects of a layout that is not versioned, with a place for each part of the aggregate's name that is not fixed."""
        return self.pattern or f"{self._prefix}{'' if self.context else '.{context}'}.{self.aggregate or '{aggregate}'}.{{entity}}"

    def holds(self, ref: AggregateRef) -> bool:
        """Whether events of this aggregate belong here."""
        return self.context in (None, ref.context) and self.aggregate in (None, ref.type)

    def _aggregate(self, ref: AggregateRef) -> str:
        if not self.holds(ref):
            only = f"aggregates {self.context}.{self.aggregate}" if self.aggregate else f"the context {self.context}"
            raise InvalidInput(f"{ref} does not belong in {self.stream}, which holds only {only}.")
        return f"{self.root}.{ref.context}.{ref.type}.{ref.id}"

    def _parse_versioned(self, subject: str) -> SubjectParts | None:
        prefix = f"{self._prefix}."
        if not subject.startswith(prefix):
            return None
        rest = subject[len(prefix) :]
        found = _PARTS.fullmatch(f"{self.context}.{rest}" if self.context else rest)
        if found is None:
            return None
        context, aggregate, entity, event, version = found.groups()
        if self.aggregate not in (None, aggregate):
            return None
        return SubjectParts(context=context, aggregate=aggregate, entity=entity, event=event, version=int(version))

    def _parse_template(self, subject: str) -> SubjectParts | None:
        wanted, given = self._template.split("."), subject.split(".")
        if wanted[-1] == ">" and len(given) >= len(wanted):
            wanted.pop()
            given = given[: len(wanted)]
        if len(wanted) != len(given):
            return None
        found = {"context": self.context or "", "aggregate": self.aggregate or ""}
        for want, token in zip(wanted, given, strict=True):
            if want.startswith("{"):
                found[want[1:-1]] = token
            elif want not in ("*", token):
                return None
        return SubjectParts(
            context=found["context"], aggregate=found["aggregate"], entity=found["entity"], event=found.get("event"), version=None
        )

    def _filled(self, values: Mapping[str, str]) -> str:
        tokens = [values[token[1:-1]] if token.startswith("{") else token for token in self._template.split(".")]
        return ".".join(tokens)


def find_layout(layouts: Iterable[Layout], stream: str) -> Layout | None:
    """The layout of `stream` among those declared, as that certain generation; None where none describes it."""
    for layout in layouts:
        if layout.stream == stream:
            return layout.of_generation(1) if layout.is_chained and not layout.is_pinned else layout
        later = re.fullmatch(rf"{re.escape(layout.stream)}-([1-9][0-9]{{0,5}})", stream, re.ASCII)
        if later and later[1] != "1" and layout.is_chained and not layout.is_pinned:
            return layout.of_generation(int(later[1]))
    return None


def _check_pattern(layout: Layout) -> None:
    tokens = (layout.pattern or "").split(".")
    places = [token[1:-1] for token in tokens if token.startswith("{") and token.endswith("}")]
    unknown = set(places) - _PLACES
    missing = {"entity"} - set(places)
    missing |= {name for name in ("context", "aggregate") if name not in places and not getattr(layout, name)}
    if unknown or missing or len(places) != len(set(places)):
        raise InvalidSubject(
            f"The layout of {layout.stream} cannot use the pattern {layout.pattern!r}: it needs {{entity}} once, and a context and an "
            f"aggregate in the pattern or beside it{'; unknown: ' + ', '.join(sorted(unknown)) if unknown else ''}."
        )


def one_stream_each(types: Iterable[tuple[str, str]], *, stream: str = "CIM-EVENTS", root: str = "cim.events") -> list[Layout]:
    """A versioned layout for each (context, aggregate type), every one a stream of its own under one root: CIM-EVENTS-SALES-ORDER.

    Raises InvalidInput where two would have one name.
    """
    found: dict[str, Layout] = {}
    for context, aggregate in types:
        name = f"{stream}-{context}-{aggregate}".upper()
        if name in found:
            raise InvalidInput(f"{context}.{aggregate} would share the stream {name} with another type; give it a layout of its own.")
        found[name] = Layout(stream=name, root=root, context=context, aggregate=aggregate)
    return list(found.values())


EVENTS = Layout(stream="CIM-EVENTS", root="cim.events")
CONSOLE = Layout(stream="CIM-CONSOLE", root="cim", context="console")
