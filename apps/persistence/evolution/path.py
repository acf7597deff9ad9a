"""This module is the way from one schema version to another: the fewest declared migrations, and always the same ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..errors import NoMigrationPath
from .migration import Migration
from .version import SchemaVersion


def find_path(migrations: Iterable[Migration], *, current: SchemaVersion, wanted: SchemaVersion) -> tuple[Migration, ...]:
    """The shortest way forward; of equally short ones that whose ids come first. Nothing where both are the same.

    Raises NoMigrationPath, naming how far the declared ones lead.
    """
    if wanted < current:
        raise NoMigrationPath(current=current, wanted=wanted, reason="it is older; roll back what was applied instead.")
    starting: dict[SchemaVersion, list[Migration]] = {}
    for one in sorted(migrations, key=lambda one: one.id):
        starting.setdefault(one.from_version, []).append(one)
    ways: dict[SchemaVersion, tuple[Migration, ...]] = {current: ()}
    queue = deque([current])
    while queue:
        here = queue.popleft()
        if here == wanted:
            return ways[here]
        for one in starting.get(here, []):
            if one.to_version not in ways:
                ways[one.to_version] = (*ways[here], one)
                queue.append(one.to_version)
    reached = ", ".join(str(version) for version in sorted(ways) if version != current)
    raise NoMigrationPath(
        current=current, wanted=wanted, reason=f"those declared lead to {reached}." if reached else "none is declared that starts there."
    )


def newest_reachable(migrations: Iterable[Migration], *, current: SchemaVersion) -> SchemaVersion:
    """The newest version that declared migrations lead to."""
    known = list(migrations)
    found = {current}
    while True:
        further = {one.to_version for one in known if one.from_version in found} - found
        if not further:
            return max(found)
        found |= further
