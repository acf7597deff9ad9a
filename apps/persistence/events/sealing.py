"""This module is what is encrypted and who can open it: the aggregate types that are declared so, and the keys that are here.

It is the one place through which payloads go into blocks and come out of them. Without keys all else works: pages, chains,
positions; only what is sealed stays closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import InvalidEvent, PayloadRedacted, PayloadUnreadable
from .block import Event
from .cipher import SEALED, Algorithm, open_sealed, seal, sealed_in
from .keys import KeyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """`types` are the aggregate types (context and type) whose payloads are sealed; `keys` is None in a process that has none."""

    types: Mapping[tuple[str, str], Algorithm] = field(default_factory=dict)
    keys: KeyStore | None = None

    def is_for(self, key: tuple[str, str]) -> bool:
        """Whether events of this aggregate type are sealed when they are stored."""
        return key in self.types

    def seal(self, event: Event, *, like: str = "") -> Event:
        """`event` as it is to be stored: sealed where its type is declared so, or where its payload was before, by the algorithm `like`.

        Raises PayloadUnreadable where it must be sealed and no keys are here, PayloadRedacted where its subject's were destroyed.
        """
        algorithm = self.types.get((event.aggregate.context, event.aggregate.type)) or (Algorithm(like) if like else None)
        if SEALED in event.payload:
            raise InvalidEvent(
                f"The payload of {event.type} of {event.aggregate} holds {SEALED!r}, the mark of sealed ones; rename the field."
            )
        if algorithm is None:
            return event
        if self.keys is None:
            raise PayloadUnreadable(
                f"Events of {event.aggregate.context}.{event.aggregate.type} are stored encrypted, and this process has no keys; "
                "name their folder in CIM_KEYS, or leave writing to the worker."
            )
        return seal(event, self.keys.current_key(event.aggregate), algorithm)

    def open(self, event: Event) -> Event:
        """A stored event with a readable payload. Raises PayloadRedacted where its key was destroyed, else PayloadUnreadable."""
        sealed = sealed_in(event) if SEALED in event.payload else None
        if sealed is None:
            return event
        key = self.keys.find_key(event.aggregate, sealed.key) if self.keys else None
        if key is not None:
            return open_sealed(event, sealed, key)
        where = f"The payload of version {event.version} of {event.aggregate}"
        destruction = self.keys.find_destruction(event.aggregate) if self.keys else None
        if destruction is not None:
            raise PayloadRedacted(f"{where} was {destruction}.")
        raise PayloadUnreadable(f"{where} is encrypted, and the key {sealed.key} is not here; bring it into the folder of CIM_KEYS.")
