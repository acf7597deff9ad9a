"""This module is the life of the demo's organization: now and then something begins, and each event leads to what is done next.

Only what began while the demo lives is led on, which its id says; so whatever lies in the store, nothing is done to it twice.
"""

from __future__ import annotations

from random import Random

from apps.persistence.errors import EncodingError, InvalidInput
from apps.persistence.events import AggregateRef, Event, new_id
from apps.persistence.store import CoreMessage

from ..declared.ids import DocumentId, PersonId, WorkflowId
from ..workflow import DEFINITIONS
from . import company
from .steps import Step

SUBJECTS = ("cim.*.people.person.>", "cim.*.documents.document.>", "cim.*.workflows.workflow.>")
_LIVE = "live-"


def begin(rng: Random) -> Step:
    """Something new: a workflow mostly, a document, a person."""
    chance, id, number = rng.random(), f"{_LIVE}{new_id()[-12:]}", rng.randint(1, 9_999)
    if chance < 0.2:
        return company.registration(number, PersonId(id))
    if chance < 0.5:
        return company.upload(rng, DocumentId(id), number)
    context = {"person": company.person_id(rng.randint(1, company.PEOPLE)).text, "equipment": "a desk", "reviewer": "p-0001"}
    definition = rng.choice(sorted(DEFINITIONS))
    return Step(WorkflowId(id).ref, "start", {"definition_id": definition, "initial_context": dict(context)})


def read_living(message: CoreMessage) -> Event | None:
    """The event of something that began while the demo lives, or None."""
    try:
        event = Event.from_block(message.data)
    except (InvalidInput, EncodingError):
        return None
    return event if event.aggregate.id.startswith(_LIVE) else None


def follow_up(event: Event) -> Step | None:
    """What is done next, if anything: a person is led to active, a document into the open, a workflow to its end."""
    steps = {"person": _person, "document": _document, "workflow": _workflow}
    return steps[event.aggregate.type](event) if event.aggregate.type in steps else None


def _person(event: Event) -> Step | None:
    ref = event.aggregate
    match event.type:
        case "registered":
            return Step(ref, "start_verification", {"method": "at the desk"})
        case "verification_started":
            return Step(ref, "complete_verification", {"verification_id": f"v-{ref.id}"})
        case "verified":
            return Step(ref, "activate", {"activated_by": "p-0001"})
    return None


def _document(event: Event) -> Step | None:
    reached = "draft" if event.type == "uploaded" else str(event.payload.get("new_status", ""))
    way = ("draft", *company.way_to("published"))
    if reached not in way[:-1]:
        return None
    return Step(event.aggregate, "set_status", {"new_status": way[way.index(reached) + 1], "set_by": "p-0001"})


def _workflow(event: Event) -> Step | None:
    """Along the first way that leads on from where it stands, or the last, so that no circle is gone for ever."""
    ref: AggregateRef = event.aggregate
    if event.type == "started":
        definition = DEFINITIONS.get(str(event.payload["definition_id"]))
        return _on(ref, definition.from_state("Start")[0].input) if definition else None
    if event.type != "transitioned":
        return None
    found = [one for one in DEFINITIONS.values() for way in one.transitions if way.id == event.payload["transition_id"]]
    if not found:
        return None
    leading = [way for way in found[0].from_state(str(event.payload["to_state"])) if way.input in _FORWARD]
    return _on(ref, leading[0].input) if leading else None


_FORWARD = frozenset({"hand_out_equipment", "introduce", "finish_probation", "approve", "read"})


def _on(ref: AggregateRef, name: str) -> Step:
    return Step(ref, "execute_transition", {"input": {"name": name}})
