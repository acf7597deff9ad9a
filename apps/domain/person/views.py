"""This module is a person as other systems see them: as somebody employed, and as an entry of an LDAP directory."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.errors import InvalidState
from apps.persistence.events import State

from ..declared.ids import OrganizationId
from ..declared.records import read_record
from ..stored import inner
from .components import Contact, Employment, Identity, PersonComponent


@dataclass(frozen=True, slots=True, kw_only=True)
class EmployeeView:
    """Who works where, as what, and how they are reached."""

    name: str
    email: str | None
    organization_id: OrganizationId
    employee_id: str
    title: str
    department: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapProjection:
    """An entry below `base`: `given_name` and `sn` are the first and the last word of the legal name."""

    dn: str
    cn: str
    given_name: str
    sn: str
    mail: str | None


def employee_view(state: State) -> EmployeeView:
    """Raises InvalidState for a person who lacks identity, contact or employment."""
    identity, contact, employment = _identity(state), _contact(state), _employment(state)
    return EmployeeView(
        name=_common_name(identity),
        email=_mail(contact),
        organization_id=employment.organization_id,
        employee_id=employment.employee_id.text,
        title=employment.title.text,
        department=employment.department.text if employment.department else None,
    )


def ldap_projection(state: State, *, base: str) -> LdapProjection:
    """Raises InvalidState for a person without identity."""
    identity = _identity(state)
    common, words = _common_name(identity), identity.legal_name.text.split()
    mail = _mail(_contact(state)) if PersonComponent.CONTACT in inner(state, "components") else None
    return LdapProjection(dn=f"cn={_escaped(common)},{base}", cn=common, given_name=words[0], sn=words[-1], mail=mail)


def _identity(state: State) -> Identity:
    return read_record(Identity, _component(state, PersonComponent.IDENTITY), tolerant=True)


def _contact(state: State) -> Contact:
    return read_record(Contact, _component(state, PersonComponent.CONTACT), tolerant=True)


def _employment(state: State) -> Employment:
    return read_record(Employment, _component(state, PersonComponent.EMPLOYMENT), tolerant=True)


def _component(state: State, name: PersonComponent) -> State:
    components = inner(state, "components")
    if name not in components:
        raise InvalidState(f"The person has no {name}, which this view needs; add it by updating the profile.")
    return inner(components, name)


def _common_name(identity: Identity) -> str:
    return (identity.preferred_name or identity.legal_name).text


def _mail(contact: Contact) -> str | None:
    """The primary e-mail address, or the first."""
    marked = [one for one in contact.emails if one.is_primary] or list(contact.emails)
    return marked[0].email.text if marked else None


def _escaped(name: str) -> str:
    """A value of a distinguished name (RFC 4514)."""
    text = "".join(f"\\{sign}" if sign in ',+"\\<>;=' else sign for sign in name)
    return f"\\{text}" if text.startswith(("#", " ")) else text
