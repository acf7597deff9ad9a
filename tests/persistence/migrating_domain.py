"""This module is a domain for tests of the operation `migrate`: baskets in CIM-EVENTS, and a migration of their events."""

from __future__ import annotations

from apps.persistence.evolution import FIRST_VERSION, Migration, SchemaVersion, StreamChange
from apps.persistence.registry import Domain

from .stream_migrating import TIDY, tidy, untidy, without_name

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
DOMAIN = Domain(name="shop", title="Shop", aggregates=[TIDY], migrations=[TIDY_UP, CARELESS])
