"""This module is the components of a person: each of one type at most, replaced as a whole (removed and added), never changed inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from apps.persistence.errors import InvalidInput

from ..declared.ids import LocationId, OrganizationId, PersonId
from ..declared.records import Record
from ..values import EmailAddress, PhoneNumber, Text


def empty() -> Mapping[str, Any]:
    """Nothing, which cannot be added to."""
    return MappingProxyType({})


class PersonComponent(StrEnum):
    """The types of components that a person may have."""

    IDENTITY = "identity"
    CONTACT = "contact"
    EMPLOYMENT = "employment"
    POSITION = "position"
    SKILLS = "skills"
    ACCESS = "access"
    EXTERNAL_IDENTIFIERS = "external_identifiers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Record):
    """Who they are."""

    legal_name: Text
    preferred_name: Text | None = None
    date_of_birth: date | None = None
    government_id: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Email(Record):
    """An e-mail address and what it is for."""

    email: EmailAddress
    email_type: Text
    is_primary: bool = False
    is_verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone(Record):
    """A phone number and what it is for."""

    number: PhoneNumber
    phone_type: Text
    is_primary: bool = False
    sms_capable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Record):
    """How they are reached; addresses are locations."""

    emails: tuple[Email, ...] = ()
    phones: tuple[Phone, ...] = ()
    addresses: tuple[LocationId, ...] = ()

    def check(self) -> None:
        for what, given in (("e-mail address", self.emails), ("phone number", self.phones)):
            if sum(one.is_primary for one in given) > 1:
                raise InvalidInput(f"The contact has more than one primary {what}; mark one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Employment(Record):
    """Where they work."""

    organization_id: OrganizationId
    employee_id: Text
    title: Text
    department: Text | None = None
    manager_id: PersonId | None = None
    status: Text
    start_date: date
    end_date: date | None = None

    def check(self) -> None:
        check_dates(self.start_date, self.end_date)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position(Record):
    """What they do there."""

    position_id: Text
    title: Text
    level: Text | None = None
    responsibilities: tuple[Text, ...] = ()
    required_skills: tuple[Text, ...] = ()
    start_date: date
    end_date: date | None = None

    def check(self) -> None:
        check_dates(self.start_date, self.end_date)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill(Record):
    """Something they can do, and how well."""

    skill: Text
    level: Text
    years_experience: float | None = None
    last_used: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certification(Record):
    """A proof of a skill."""

    name: Text
    issuer: Text
    issue_date: date
    expiry_date: date | None = None
    credential_id: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Education(Record):
    """Where they learned."""

    institution: Text
    degree: Text
    field_of_study: Text | None = None
    start_date: date
    end_date: date | None = None
    grade: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skills(Record):
    """What they can do."""

    skills: Mapping[str, Skill] = field(default_factory=empty)
    certifications: tuple[Certification, ...] = ()
    education: tuple[Education, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access(Record):
    """What they may do."""

    roles: tuple[Text, ...] = ()
    permissions: tuple[Text, ...] = ()
    groups: tuple[Text, ...] = ()
    access_level: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdentifiers(Record):
    """What other systems call them."""

    ldap_dn: Text | None = None
    ad_sid: Text | None = None
    oauth_subjects: Mapping[str, Text] = field(default_factory=empty)
    external_ids: Mapping[str, Text] = field(default_factory=empty)


COMPONENTS: dict[PersonComponent, type[Record]] = {
    PersonComponent.IDENTITY: Identity,
    PersonComponent.CONTACT: Contact,
    PersonComponent.EMPLOYMENT: Employment,
    PersonComponent.POSITION: Position,
    PersonComponent.SKILLS: Skills,
    PersonComponent.ACCESS: Access,
    PersonComponent.EXTERNAL_IDENTIFIERS: ExternalIdentifiers,
}


def check_dates(start: date, end: date | None) -> None:
    """Raises InvalidInput where the end lies before the start."""
    if end is not None and end < start:
        raise InvalidInput(f"end_date is {end}, before start_date, which is {start}; correct one of them.")
