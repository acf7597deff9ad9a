"""This module is a domain for tests of the operation `migrate`: baskets in CIM-EVENTS, and a migration of their events."""

from __future__ import annotations

from apps.persistence.events import Event, NewEvent
from apps.persistence.evolution import FIRST_VERSION, Migration, SchemaVersion, StreamChange, keep
from apps.persistence.registry import Domain

from .stream_migrating import TIDY, tidy, untidy, without_name


def stumble(event: Event) -> list[NewEvent]:
    """Fails at every name."""
    return [keep(event, payload={"name": event.payload["label"]})] if event.type == "named" else [keep(event)]


TIDY_UP = Migration(
    id="tidy-up",
    title="Tidy the baskets up",
    from_version=FIRST_VERSION,
    to_version=SchemaVersion(2),
    change=StreamChange(id="tidy-up", transform=tidy, back=untidy, expected=without_name),
)
CARELESS = Migration(
    id="careless",
    title="Tidy the baskets up, and be surprised",
    from_version=FIRST_VERSION,
    to_version=SchemaVersion(1, 1),
    change=StreamChange(id="careless", transform=tidy),
)
BROKEN = Migration(
    id="broken",
    title="Stumble over names",
    from_version=FIRST_VERSION,
    to_version=SchemaVersion(1, 2),
    change=StreamChange(id="broken", transform=stumble),
)
DOMAIN = Domain(name="shop", title="Shop", aggregates=[TIDY], migrations=[TIDY_UP, CARELESS, BROKEN])
