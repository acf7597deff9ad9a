"""The person: what they are made of, what is refused and why, and what each command causes."""

from __future__ import annotations

import pytest

from apps.domain.declared.ids import LocationId, OrganizationId, PersonId
from apps.domain.person import PERSON, PERSON_MACHINE, Contact, Identity, PersonStatus
from apps.domain.person.aggregate import ActivatePerson
from apps.domain.person.views import employee_view, ldap_projection
from apps.domain.values import EmailAddress, Text
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, InvalidState
from tests.domain.samples import after, ask

IDENTITY: dict[str, Value] = {"legal_name": "Ada Abel", "date_of_birth": "1990-05-04"}
CONTACT: dict[str, Value] = {"emails": [{"email": "ada@example.org", "email_type": "work", "is_primary": True}]}
REGISTER = ("register", {"identity": IDENTITY, "contact": CONTACT, "location_id": "l-1"})
START = ("start_verification", {"method": "video call"})
COMPLETE = ("complete_verification", {"verification_id": "v-77"})
ACTIVATE = ("activate", {"activated_by": "p-0002"})


def test_registering_causes_one_event_with_what_was_given() -> None:
    (event,) = ask(PERSON, {}, *REGISTER)

    assert event.type == "registered"
    assert {name: value for name, value in event.payload.items() if name != "registered_at"} == {
        "person_id": "x-1",
        "identity": IDENTITY,
        "contact": {
            "emails": [{"email": "ada@example.org", "email_type": "work", "is_primary": True, "is_verified": False}],
            "phones": [],
            "addresses": [],
        },
        "location_id": "l-1",
    }
    assert str(event.payload["registered_at"]).endswith("Z")


def test_person_becomes_active_by_being_verified() -> None:
    state = after(PERSON, REGISTER, START, COMPLETE, ACTIVATE)

    assert (state["status"], state["version"]) == ("active", 4)


def test_activating_is_for_the_verified_and_reactivating_for_those_who_were_active() -> None:
    suspended = after(PERSON, REGISTER, START, COMPLETE, ACTIVATE, ("suspend", {"reason": "on leave", "suspended_by": "p-2"}))

    with pytest.raises(InvalidState, match="The person is suspended; activate is for one that is verified"):
        ask(PERSON, suspended, *ACTIVATE)
    assert [event.type for event in ask(PERSON, suspended, "reactivate", {"reactivated_by": "p-2"})] == ["reactivated"]


def test_life_of_a_person_is_the_table_of_the_reference() -> None:
    table = {str(status): sorted(following) for status, following in PERSON_MACHINE.transitions.items()}

    assert table == {
        "registered": ["archived", "pending_verification"],
        "pending_verification": ["archived", "verified"],
        "verified": ["active", "archived"],
        "active": ["archived", "deactivated", "suspended"],
        "suspended": ["active", "archived", "deactivated"],
        "deactivated": ["active", "archived"],
        "archived": [],
    }
    assert PERSON_MACHINE.is_final(PersonStatus.ARCHIVED)


def test_component_is_replaced_by_removing_it_and_adding_another() -> None:
    state = after(PERSON, REGISTER)
    married = {"legal_name": "Ada Brandt"}

    events = ask(PERSON, state, "update_profile", {"components": {"identity": married, "contact": CONTACT}})

    assert [(event.type, event.payload["component_type"]) for event in events] == [
        ("component_removed", "identity"),
        ("component_added", "identity"),
    ]
    assert after(PERSON, ("update_profile", {"components": {"identity": married}}), onto=state)["components"]["identity"] == married  # type: ignore[call-overload,index]


def test_component_that_is_removed_takes_its_metadata_along() -> None:
    state = after(PERSON, REGISTER, ("remove_component", {"component_type": "contact"}))

    assert (list(state["components"]), list(state["component_metadata"])) == (["identity"], ["identity"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("remove_component", {"component_type": "skills"}, "The person has no component skills; they have identity, contact"),
        ("remove_component", {"component_type": "identity"}, "A person has an identity always"),
        ("activate", {"activated_by": "p-2"}, "activate is for one that is verified"),
    ],
)
def test_what_their_state_does_not_allow_is_refused_with_the_reason(name: str, payload: dict[str, Value], reason: str) -> None:
    with pytest.raises(InvalidState, match=reason):
        ask(PERSON, after(PERSON, REGISTER), name, payload)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, "The command lacks identity."),
        ({"identity": "Ada"}, "identity is 'Ada'; it must be a map."),
        ({"identity": {}}, "The command lacks identity.legal_name."),
        ({"identity": {**IDENTITY, "legal_name": ""}}, "identity.legal_name: '' cannot be used"),
        ({"identity": {**IDENTITY, "date_of_birth": "4 May"}}, "identity.date_of_birth is '4 May'; write a date like 2026-11-21."),
        ({"identity": IDENTITY, "age": 36}, "The command holds age, which it does not take."),
        ({"identity": IDENTITY, "contact": {"emails": [{"email": "ada.example.org", "email_type": "work"}]}},
         "contact.emails[0].email: 'ada.example.org' is no e-mail address: write it like ada@example.org."),
        ({"identity": IDENTITY, "contact": {"phones": [{"number": "0401234", "phone_type": "work"}]}},
         "contact.phones[0].number: '0401234' is no phone number"),
        ({"identity": IDENTITY, "contact": {"emails": [{"email": f"{who}@a.org", "email_type": "x", "is_primary": True} for who in "ab"]}},
         "The contact has more than one primary e-mail address; mark one."),
        ({"identity": IDENTITY, "location_id": "agents.agent.a-1"}, "agents.agent.a-1 is the id of an agent; give the id of a location."),
        ({"identity": IDENTITY, "location_id": "no place"}, "'no place' cannot be used as the id of a location"),
        ({"identity": IDENTITY, "contact": {"addresses": ["l-1"] * 1001}}, "contact.addresses has 1,001 items; 1,000 are the limit."),
    ],
)  # fmt: skip
def test_payload_that_makes_no_sense_is_refused_by_the_name_of_its_field(payload: dict[str, Value], reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask(PERSON, {}, "register", payload)

    assert reason in str(refused.value)


def test_ids_of_different_kinds_are_never_equal_and_never_take_each_others_place() -> None:
    assert PersonId("x-1") != OrganizationId("x-1")
    assert PersonId("people.person.x-1") == PersonId("x-1")
    assert str(PersonId("x-1").ref) == "people.person.x-1"
    with pytest.raises(InvalidInput, match="activated_by is the OrganizationId x-1; give the id of a person as PersonId"):
        ActivatePerson(activated_by=OrganizationId("x-1"))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="addresses is 'l-1'; give the id of a location as LocationId"):
        Contact(addresses=(LocationId("l-2"), "l-1"))  # type: ignore[arg-type]


def test_value_objects_and_components_cannot_be_changed() -> None:
    identity = Identity(legal_name=Text("Ada Abel"))

    with pytest.raises(AttributeError):
        identity.legal_name = Text("Ada Brandt")  # type: ignore[misc]
    with pytest.raises(AttributeError):
        EmailAddress("ada@example.org").text = "other@example.org"  # type: ignore[misc]


EMPLOYED: dict[str, Value] = {
    "organization_id": "oak", "employee_id": "7", "title": "Joiner", "status": "full time", "start_date": "2026-01-01",
}  # fmt: skip


def test_employee_is_seen_with_what_identity_contact_and_employment_say() -> None:
    state = after(PERSON, REGISTER, ("update_profile", {"components": {"employment": EMPLOYED}}))

    view = employee_view(state)

    assert (view.name, view.email, view.organization_id, view.title) == ("Ada Abel", "ada@example.org", OrganizationId("oak"), "Joiner")
    with pytest.raises(InvalidState, match="The person has no employment, which this view needs"):
        employee_view(after(PERSON, REGISTER))


def test_entry_of_a_directory_is_named_by_the_preferred_name_with_its_signs_escaped() -> None:
    named = ("register", {"identity": {"legal_name": "Ada Maria Abel", "preferred_name": "Abel, Ada"}})

    entry = ldap_projection(after(PERSON, named), base="ou=people,dc=example,dc=org")

    assert entry.dn == r"cn=Abel\, Ada,ou=people,dc=example,dc=org"
    assert (entry.given_name, entry.sn, entry.mail) == ("Ada", "Abel", None)
