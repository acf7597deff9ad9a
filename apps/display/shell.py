"""This module is what every page's frame needs: the areas of the rail, the theme a person chose, and whether the data is demo data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch

from apps.connection import connection_names
from apps.standing import Standing, standing_of

from .places import address_at, observed_in

THEMES: Final = ("system", "light", "dark")
THEME_COOKIE: Final = "cim-theme"
OBSERVED_AREAS: Final = frozenset({"streams"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One entry of the rail; every address below its own makes it the current one. `app` names its count."""

    app: str
    title: str
    icon: str
    view: str
    permission: str
    key: str
    observed: str = ""

    @property
    def url(self) -> str:
        """Empty while the area has no page."""
        try:
            return address_at(self.observed, self.view)
        except NoReverseMatch:
            return ""


AREAS: Final = (
    Area(app="overview", title="Overview", icon="layout-dashboard", view="overview:index", permission="overview.view", key="o"),
    Area(app="streams", title="Streams", icon="layers", view="streams:index", permission="streams.view", key="s"),
    Area(app="aggregates", title="Aggregates", icon="boxes", view="aggregates:index", permission="aggregates.view", key="a"),
    Area(app="projections", title="Projections", icon="workflow", view="projections:index", permission="projections.view", key="p"),
    Area(app="storage", title="Storage", icon="database", view="storage:index", permission="storage.view", key="b"),
    Area(app="audit", title="Audit", icon="shield-check", view="audit:index", permission="audit.view", key="u"),
    Area(app="evolution", title="Evolution", icon="git-compare", view="evolution:index", permission="evolution.view", key="v"),
    Area(app="routes", title="Routes", icon="route", view="routes:index", permission="routes.view", key="t"),
    Area(app="nodes", title="Nodes", icon="link", view="nodes:index", permission="nodes.view", key="n"),
    Area(app="runs", title="Runs", icon="list-checks", view="runs:index", permission="runs.view", key="r"),
    Area(app="files", title="Files", icon="file-text", view="files:index", permission="files.view", key="f"),
    Area(app="accounts", title="People", icon="users", view="accounts:people", permission="people.view", key="e"),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context of base.html. Reads no store, so a page's frame stands when NATS does not."""
    observed = observed_in(request)
    areas = _areas_at(observed)
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return {
        "areas": areas,
        "area_now": _area_of(request.path, areas),
        "observed": observed,
        "connections": _connections,
        "theme": theme if theme in THEMES else "system",
        "themes": THEMES,
        "is_demo": settings.CIM_DEMO,
    }


def _connections() -> Sequence[Standing]:
    """Every connection as far as it is known without asking; called only where a page shows them."""
    return [standing_of(name) for name in connection_names()]


def _areas_at(observed: str) -> Sequence[Area]:
    """The areas of the rail: on the pages of an observed connection its streams stand for those of home."""
    return [replace(area, observed=observed) if area.app in OBSERVED_AREAS else area for area in AREAS]


def _area_of(path: str, areas: Sequence[Area]) -> str:
    """The app of the area whose address the path starts with; the overview's is that of the console itself."""
    for area in areas:
        if area.url and (path == area.url or (area.url != AREAS[0].url and path.startswith(area.url))):
            return area.app
    return ""
