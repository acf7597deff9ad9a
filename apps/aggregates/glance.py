"""This module is what a person reads of an aggregate at a glance: its name, where it stands, and links to those whose ids it holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from apps.display.differences import Line, Lines
from apps.persistence.events import AggregateDefinition, AggregateRef, State
from apps.persistence.subjects import is_token

from .address import address_of

_TONES = {
    "ok": ("active", "verified", "approved", "published", "completed", "defined"),
    "info": ("initializing", "registered", "draft", "processing"),
    "warn": ("suspended", "pending", "pending_verification", "pending_approval", "under_review", "submitted", "offline"),
    "bad": ("failed",),
}
_TONE_OF = {status: tone for tone, statuses in _TONES.items() for status in statuses}


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """`label` says which one it is, `status` where it stands; empty where its domain declares none. `tone` is the badge's colour."""

    label: str
    status: str

    @property
    def tone(self) -> str:
        return _TONE_OF.get(self.status, "off")

    @property
    def words(self) -> str:
        """The status as a person reads it."""
        return self.status.replace("_", " ").capitalize()


def glance_of(definition: AggregateDefinition, state: State) -> Glance:
    """The name and the status that a state says, by its definition."""
    status = state.get(definition.status) if definition.status else None
    return Glance(label=definition.label_of(state), status=status if isinstance(status, str) else "")


def linked(lines: Lines, definition: AggregateDefinition | None) -> Lines:
    """The same lines, those with the id of another aggregate leading to its page."""
    if definition is None or not definition.references:
        return lines
    found, names = list[Line](), dict[int, str]()
    for line in lines.lines:
        name = line.key.removesuffix(": ").strip('"') or names.get(line.depth - 1, "")
        names[line.depth] = name
        found.append(_linked(line, definition.references.get(name)))
    return replace(lines, lines=tuple(found))


def _linked(line: Line, reference: tuple[str, str] | None) -> Line:
    if reference is None or not line.value.startswith('"'):
        return line
    id = str(json.loads(line.value))
    return replace(line, link=address_of(AggregateRef(*reference, id), "")) if is_token(id) else line
