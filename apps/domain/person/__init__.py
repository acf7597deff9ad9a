"""This package is the person: registered, verified, active; with components for who they are and what they do."""

from .aggregate import PERSON
from .components import Contact, Employment, Identity, PersonComponent
from .status import PERSON_MACHINE, PersonStatus

__all__ = ["PERSON", "PERSON_MACHINE", "Contact", "Employment", "Identity", "PersonComponent", "PersonStatus"]
