"""Another server as a person looks at it: reached by the switch, live, away and back again, while home goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from apps.persistence.store import Outgoing, Store, ensure_stream, store_message
from apps.persistence.store.embedded import EmbeddedServer
from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

SLOWLY = 60_000


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("prod")) as server:
        yield server


@pytest.fixture(scope="module")
def watching_console(prod: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console that looks at prod, too."""
    with RunningConsole(tmp_path_factory.mktemp("watching"), observed={"prod": prod}) as running:
        running.do(make_parcels, server=prod)
        yield running


async def make_parcels(store: Store) -> None:
    await ensure_stream(store.connection, {"name": "PARCELS", "subjects": ["parcels.>"], "allow_direct": True})
    await store_message(store.connection, Outgoing("parcels.sent", b"{}", {}))


async def lose_a_parcel(store: Store) -> None:
    await store_message(store.connection, Outgoing("parcels.lost", b"{}", {}))


async def find_a_parcel(store: Store) -> None:
    await store_message(store.connection, Outgoing("parcels.found", b"{}", {}))


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("#live-state")).to_have_attribute("data-state", state, timeout=SLOWLY)


def test_the_switch_leads_to_another_server_whose_streams_are_live(
    watching_console: RunningConsole, prod: EmbeddedServer, sign_in: SignIn
) -> None:
    page = sign_in(watching_console)

    page.locator("#connection-menu summary").click()
    expect(page.locator("#connection-entry-prod")).to_contain_text(re.compile(r"nats-server 2\..* ms"), timeout=SLOWLY)
    page.locator("#connection-entry-prod").click()
    page.get_by_role("link", name="PARCELS", exact=True).click()
    expect_state(page, "live")
    watching_console.do(lose_a_parcel, server=prod)

    expect(page.locator("#stream-tail")).to_contain_text("parcels.lost", timeout=SLOWLY)
    expect(page).to_have_url(re.compile("/at/prod/streams/PARCELS/$"))


def test_a_server_that_stops_greys_its_own_pages_and_is_right_again_without_a_reload(
    watching_console: RunningConsole, prod: EmbeddedServer, sign_in: SignIn
) -> None:
    there, here = sign_in(watching_console, "operator"), sign_in(watching_console, "viewer")
    there.goto("/at/prod/streams/PARCELS/")
    here.goto("/streams/")
    expect_state(there, "live")

    prod.stop()
    expect_state(there, "reconnecting")
    expect(there.locator("#page")).to_have_attribute("data-stale", "")
    expect(here.locator("#connection-entry-prod .pill")).to_have_text("reconnecting", timeout=SLOWLY)
    expect_state(here, "live")
    prod.start()
    watching_console.do(find_a_parcel, server=prod)

    expect(there.locator("#stream-tail")).to_contain_text("parcels.found", timeout=SLOWLY)
    expect_state(there, "live")


def test_a_page_opened_while_its_server_is_away_comes_by_itself(
    watching_console: RunningConsole, prod: EmbeddedServer, sign_in: SignIn
) -> None:
    page = sign_in(watching_console)
    prod.stop()
    page.goto("/at/prod/streams/PARCELS/")
    expect(page.locator("main")).to_contain_text("Only prod is away")

    prod.start()

    expect(page.locator("#stream-tail")).to_contain_text("parcels.sent", timeout=SLOWLY)
