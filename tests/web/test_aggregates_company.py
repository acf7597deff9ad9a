"""This module is the tests of how the seven aggregates of an organization are shown: names, statuses as badges, links by id."""

from __future__ import annotations

import re

import pytest

from apps.domain.company import KINDS
from apps.domain.demo.company import company_aggregates
from apps.domain.demo.player import Player
from apps.persistence.store import Store, ensure_home

from .conftest import Home, Visitor
from .test_aggregates_page import page, words
from .working_console import Worker, wait_for

PAGES = {
    "people.person.p-0002": ("Clara Costa", "Active"),
    "organizations.organization.oak-it": ("Information technology", "Active"),
    "agents.agent.price-watch": ("Price watch", "Suspended"),
    "locations.location.workshop-hall": ("Workshop hall", "Defined"),
    "policies.policy.customer-letters": ("For how long letters are kept", "Pending approval"),
    "documents.document.d-0003": ("Safety at the workbench 3", "Published"),
    "workflows.workflow.w-0001": ("document-approval", "Active"),
}


@pytest.fixture(scope="module")
def made() -> set[str]:
    """What this module has already made on its server."""
    return set()


@pytest.fixture
def office(home: Home, made: set[str]) -> Home:
    """The home server with the demo's organization."""
    if not made:
        made.add("office")
        home.run(write_company)
    return home


async def write_company(store: Store) -> None:
    await ensure_home(store.connection)
    player = Player(store)
    for steps in company_aggregates(1):
        await player.do(steps)


def links(text: str) -> set[str]:
    """Where the lines of the state and of the event lead."""
    blocks = re.findall(r'<pre class="code diff state-text".*?</pre>', text, re.S)
    return {link for block in blocks for link in re.findall(r'<a href="([^"]+)">', block)}


@pytest.mark.parametrize(("name", "seen"), PAGES.items())
def test_page_of_each_kind_shows_name_and_status(viewer: Visitor, office: Home, name: str, seen: tuple[str, str]) -> None:
    text = page(viewer, f"/aggregates/{'/'.join(name.rsplit('.', 1))}/")

    label, status = seen
    assert f"<strong>{label}</strong>" in text
    assert re.search(rf'<span class="pill" data-state="\w+">{status}</span>', text)
    assert "State cannot be folded" not in words(text)


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("people.person/p-0002/?version=4", "/aggregates/locations.location/headquarters/"),
        ("organizations.organization/oak-it/", "/aggregates/people.person/p-0003/"),
        ("organizations.organization/oak-it/", "/aggregates/organizations.organization/oak-and-sons/"),
        ("locations.location/workshop-hall/", "/aggregates/locations.location/headquarters/"),
        ("policies.policy/fax/", "/aggregates/policies.policy/customer-letters/"),
        ("documents.document/d-0003/", "/aggregates/documents.document/d-0002/"),
    ],
)
def test_ids_of_others_lead_to_their_pages(viewer: Visitor, office: Home, name: str, link: str) -> None:
    assert link in links(page(viewer, f"/aggregates/{name}"))


def test_lists_show_names_and_statuses_once_a_worker_has_folded_them(viewer: Visitor, office: Home) -> None:
    with Worker(office.server):
        people = wait_for(viewer, "/aggregates/people.person/?id=p-0002", "Clara Costa Active v7")
        agents = wait_for(viewer, "/aggregates/agents.agent/", "Route planner Initializing")

    assert "Name Status Version" in people
    assert "Fax machine Decommissioned" in agents


def test_types_of_the_organization_are_listed_by_their_titles(viewer: Visitor, office: Home) -> None:
    text = words(page(viewer, "/aggregates/"))

    assert [kind.title for kind in KINDS if kind.title not in text] == []
