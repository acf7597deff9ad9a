"""This module is the test of forgetting a person in a browser: keys destroyed by clicking, and a page that says so, its chain whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from apps.persistence.console import load_registry
from apps.persistence.events import AggregateRef, FileKeys, Head, NewEvent
from apps.persistence.store import Store, append
from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

SLOWLY = 60_000
DOMAIN = "tests.web.ward_domain"
ADA = "/aggregates/ward.patient/ada/"


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[RunningConsole]:
    """A console whose patients are encrypted, with one of them."""

    async def admit(store: Store) -> None:
        keyed = replace(store, upcasters=load_registry([DOMAIN], keys=FileKeys(tmp_path / "keys")).upcasters)
        events = [NewEvent(type="admitted", payload={"name": "Ada Lovelace", "ward": 7}), NewEvent(type="moved", payload={"ward": 9})]
        await append(keyed, Head(aggregate=AggregateRef("ward", "patient", "ada")), events)

    with RunningConsole(tmp_path, domains=DOMAIN) as running:
        running.do(admit)
        yield running


def test_a_person_is_forgotten_and_their_history_stays_whole(ward: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(ward, "admin")
    page.goto(ADA)
    expect(page.locator("#state")).to_contain_text("Ada Lovelace")

    page.get_by_role("link", name="Destroy keys…").click()
    page.get_by_role("button", name="Review…").click()
    page.get_by_label("Reason").fill("asked to be forgotten")
    page.get_by_label("Type ward.patient.ada to confirm").fill("ward.patient.ada")
    page.get_by_role("button", name="Destroy the keys of ward.patient.ada").click()
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=SLOWLY)

    page.goto(f"{ADA}?verify=1")
    expect(page.locator("#redaction")).to_contain_text("by olga-admin. asked to be forgotten")
    expect(page.locator("#state")).to_contain_text("Redacted")
    expect(page.locator("#history")).to_contain_text("redacted")
    expect(page.locator("#page")).not_to_contain_text("Ada Lovelace")
    expect(page.locator("#page")).to_contain_text("intact")
