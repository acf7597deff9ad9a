"""This module is what the packages of CIM_DOMAINS declare, imported once in each process, and a store that knows it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from django.conf import settings

from apps.persistence.console import load_registry
from apps.persistence.registry import Registry
from apps.persistence.store import Store


def registry() -> Registry:
    """All that the domains declare. Raises InvalidInput naming the package that cannot be used and why."""
    return _load(tuple(settings.CIM_DOMAINS))


def informed(store: Store) -> Store:
    """The same store, reading by every declared layout and upcaster."""
    known = registry()
    return replace(store, layouts=known.layouts, upcasters=known.upcasters)


@cache
def _load(names: tuple[str, ...]) -> Registry:
    return load_registry(names)
