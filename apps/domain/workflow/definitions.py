"""This module is the graphs that workflows walk: states and the transitions between them, with guards, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput

START = "Start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What must hold for a transition: the context holds a key, its `actor` is one of some; without either, it always holds."""

    context_key: str = ""
    actors: frozenset[str] = frozenset()

    def refusal(self, context: Mapping[str, Value]) -> str:
        """Why the transition is refused; empty where it may be made."""
        if self.context_key and self.context_key not in context:
            return f"the context lacks {self.context_key}"
        if self.actors and context.get("actor") not in self.actors:
            return f"its actor must be {' or '.join(sorted(self.actors))}"
        return ""


ALWAYS = Guard()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """From one state to another by an input. Its id is `{source}->{target}`, or how it was composed."""

    source: str
    target: str
    input: str
    guard: Guard = ALWAYS
    id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.id or f"{self.source}->{self.target}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowDefinition:
    """A graph. A state from which nothing leads is terminal: the workflow is completed there."""

    id: str
    title: str
    transitions: tuple[Transition, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """All states, the first one first."""
        named = [name for one in self.transitions for name in (one.source, one.target)]
        return tuple(dict.fromkeys([START, *named]))

    def from_state(self, state: str) -> tuple[Transition, ...]:
        """The transitions that lead on from a state."""
        return tuple(one for one in self.transitions if one.source == state)

    def is_terminal(self, state: str) -> bool:
        """Whether nothing leads on from a state."""
        return not self.from_state(state)


def compose(first: Transition, second: Transition) -> Transition:
    """Both, one after the other. Raises InvalidInput where the first does not end where the second begins."""
    if first.target != second.source:
        raise InvalidInput(f"{first.id} ends at {first.target}, and {second.id} begins at {second.source}; they cannot be composed.")
    return Transition(source=first.source, target=second.target, input=first.input, guard=first.guard, id=f"{second.id}∘{first.id}")


def identity(state: str) -> Transition:
    """The transition that leads nowhere else."""
    return Transition(source=state, target=state, input="", id=f"id_{state}")


def _straight(id: str, title: str, *steps: tuple[str, str], guards: Mapping[str, Guard] | None = None) -> WorkflowDefinition:
    """A graph without branches: inputs and the states that they lead to."""
    sources = (START, *(target for _, target in steps[:-1]))
    made = (
        Transition(source=source, target=target, input=name, guard=(guards or {}).get(name, ALWAYS))
        for source, (name, target) in zip(sources, steps, strict=True)
    )
    return WorkflowDefinition(id=id, title=title, transitions=tuple(made))


READING_NOTICE = _straight("reading-notice", "Read a notice", ("read", "Read"))
ONBOARDING = _straight(
    "onboarding",
    "Take a person on",
    ("sign_contract", "ContractSigned"),
    ("hand_out_equipment", "EquipmentReady"),
    ("introduce", "Introduced"),
    ("finish_probation", "Done"),
    guards={"hand_out_equipment": Guard(context_key="equipment")},
)
DOCUMENT_APPROVAL = WorkflowDefinition(
    id="document-approval",
    title="Approve a document",
    transitions=(
        Transition(source=START, target="InReview", input="request_review"),
        Transition(source="InReview", target="Revised", input="ask_for_changes"),
        Transition(source="Revised", target="InReview", input="request_review"),
        Transition(source="InReview", target="Approved", input="approve", guard=Guard(context_key="reviewer")),
        Transition(source="InReview", target="Declined", input="decline"),
    ),
)

DEFINITIONS: dict[str, WorkflowDefinition] = {one.id: one for one in (READING_NOTICE, ONBOARDING, DOCUMENT_APPROVAL)}
