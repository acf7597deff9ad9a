"""A domain from a package outside the repository, as somebody else would bring it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Store, append
from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

PACKAGE = '''
"""This module is the fleet of Acme: vehicles, and where each was seen last."""

from apps.persistence.events import AggregateDefinition
from apps.persistence.projections import ProjectionDefinition, model_key
from apps.persistence.registry import Domain


def apply_event(state, event):
    return {**state, **event.payload, "sightings": state.get("sightings", 0) + 1}


def keys(stored):
    return [model_key("vehicle", stored.event.aggregate.id)]


def place(stored, models):
    return {keys(stored)[0]: {"place": stored.event.payload["place"]}}


DOMAIN = Domain(
    name="fleet",
    title="Acme fleet",
    aggregates=[AggregateDefinition(context="fleet", type="vehicle", title="Vehicle", apply=apply_event)],
    projections=[
        ProjectionDefinition(
            name="last-seen", version=1, title="Last seen", subjects=("cim.events.fleet.vehicle.>",), keys=keys, apply=place
        )
    ],
)
'''


@pytest.fixture
def fleet_console(tmp_path: Path) -> Iterator[RunningConsole]:
    """A console that knows the fleet of Acme, with one van seen twice."""
    package = tmp_path / "packages" / "acme_fleet"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE)
    data = tmp_path / "data"
    data.mkdir()

    async def see_twice(store: Store) -> None:
        sightings = [NewEvent(type="seen", payload={"place": place}) for place in ("Bern", "Basel")]
        await append(store, Head(aggregate=AggregateRef("fleet", "vehicle", "van-7")), sightings)

    with RunningConsole(data, domains="acme_fleet", python_path=package.parent) as running:
        running.do(see_twice)
        yield running


def test_the_aggregate_and_the_projection_of_somebody_elses_package_are_in_the_console(
    fleet_console: RunningConsole, sign_in: SignIn
) -> None:
    page = sign_in(fleet_console, "viewer")

    page.goto("/aggregates/fleet.vehicle/van-7/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Vehicle")
    expect(page.locator("main")).to_contain_text('"place": "Basel"')
    expect(page.locator("main")).to_contain_text('"sightings": 2')
    page.goto("/projections/")
    expect(page.get_by_role("row").filter(has_text="last-seen")).to_contain_text("Live")
