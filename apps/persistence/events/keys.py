"""This module is the keys of sealed payloads: one or more for each subject, of which the newest seals, and what is left of destroyed ones.

A subject is the aggregate that its events are about. Its keys are named k1, k2 … in the order in which they were made.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ..errors import PayloadRedacted
from .aggregate import AggregateRef
from .cipher import KEY_BYTES, Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Destruction:
    """That the keys of a subject were destroyed: nobody can ever read again what they sealed."""

    subject: AggregateRef
    keys: tuple[str, ...]
    at: datetime
    by: str
    reason: str

    def __str__(self) -> str:
        return f"redacted on {self.at:%Y-%m-%d at %H:%M} UTC by {self.by}: {self.reason}"


class KeyStore(Protocol):
    """Where keys are kept. Calls do not wait for a network: events are opened while they are read."""

    def find_key(self, subject: AggregateRef, key_id: str) -> Key | None:
        """The key of this name, or None where it is not here."""

    def current_key(self, subject: AggregateRef) -> Key:
        """The key that seals; the first one is made, and kept safely, by this call. Raises PayloadRedacted."""

    def rotate_key(self, subject: AggregateRef) -> Key:
        """Make a new key, which seals from now on; older ones still open what they sealed. Raises PayloadRedacted."""

    def destroy_keys(self, destruction: Destruction) -> Destruction:
        """Destroy all keys of a subject, for good; returns the first destruction, with the keys that there were."""

    def find_destruction(self, subject: AggregateRef) -> Destruction | None:
        """That the subject's keys were destroyed, or None."""

    def key_ids(self, subject: AggregateRef) -> tuple[str, ...]:
        """The names of the keys that are here, oldest first."""

    def subjects(self, context: str, kind: str) -> tuple[AggregateRef, ...]:
        """The aggregates of a type that have keys here."""


@dataclass(slots=True)
class InMemoryKeys:
    """Keys that live as long as this object: for tests."""

    _keys: dict[AggregateRef, dict[str, Key]] = field(default_factory=dict)
    _destroyed: dict[AggregateRef, Destruction] = field(default_factory=dict)

    def find_key(self, subject: AggregateRef, key_id: str) -> Key | None:
        """See KeyStore."""
        return self._keys.get(subject, {}).get(key_id)

    def current_key(self, subject: AggregateRef) -> Key:
        """See KeyStore."""
        check_not_destroyed(self, subject)
        found = self._keys.get(subject)
        return list(found.values())[-1] if found else self.rotate_key(subject)

    def rotate_key(self, subject: AggregateRef) -> Key:
        """See KeyStore."""
        check_not_destroyed(self, subject)
        own = self._keys.setdefault(subject, {})
        key = new_key(len(own) + 1)
        own[key.id] = key
        return key

    def destroy_keys(self, destruction: Destruction) -> Destruction:
        """See KeyStore."""
        self._keys.pop(destruction.subject, None)
        return self._destroyed.setdefault(destruction.subject, destruction)

    def find_destruction(self, subject: AggregateRef) -> Destruction | None:
        """See KeyStore."""
        return self._destroyed.get(subject)

    def key_ids(self, subject: AggregateRef) -> tuple[str, ...]:
        """See KeyStore."""
        return tuple(self._keys.get(subject, {}))

    def subjects(self, context: str, kind: str) -> tuple[AggregateRef, ...]:
        """See KeyStore."""
        return tuple(subject for subject in self._keys if (subject.context, subject.type) == (context, kind))


def new_key(number: int) -> Key:
    """A new key, from the system's source of randomness."""
    return Key(id=f"k{number}", secret=os.urandom(KEY_BYTES))


def check_not_destroyed(keys: KeyStore, subject: AggregateRef) -> None:
    """Raise PayloadRedacted where the subject's keys were destroyed."""
    destruction = keys.find_destruction(subject)
    if destruction is not None:
        raise PayloadRedacted(f"{subject} was {destruction}. Nothing more can be encrypted for it; begin a new aggregate.")
