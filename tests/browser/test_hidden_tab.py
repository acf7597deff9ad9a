"""This module is the test of a tab that nobody sees: it lets its socket go after five seconds, and is right again when it is shown."""

from __future__ import annotations

from playwright.sync_api import Page, WebSocket, expect

from apps.persistence.store import Outgoing, Store, ensure_stream, store_message
from tests.browser.running_console import RunningConsole

SLOWLY_MS = 30_000
SHOW_OR_HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  Object.defineProperty(document, "visibilityState", { value: isHidden ? "hidden" : "visible", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


async def light_lamp(store: Store) -> None:
    await ensure_stream(store.connection, {"name": "LAMPS", "subjects": ["lamps.>"], "allow_direct": True})
    await store_message(store.connection, Outgoing("lamps.lit", b"{}", {}))


async def put_lamp_out(store: Store) -> None:
    await store_message(store.connection, Outgoing("lamps.out", b"{}", {}))


def open_live(page: Page, path: str) -> WebSocket:
    """The socket of the page at `path`, once it is live; the page before has one, too."""
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live", timeout=SLOWLY_MS)
    with page.expect_websocket() as opening:
        page.goto(path)
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live", timeout=SLOWLY_MS)
    return opening.value


def test_a_hidden_tab_lets_its_socket_go_and_is_right_again_when_it_is_shown(console: RunningConsole, ops: Page) -> None:
    console.do(light_lamp)
    socket = open_live(ops, "/streams/LAMPS/")

    with socket.expect_event("close", timeout=SLOWLY_MS):
        ops.evaluate(SHOW_OR_HIDE, True)
    console.do(put_lamp_out)
    expect(ops.locator("#stream-tail")).not_to_contain_text("lamps.out")
    ops.evaluate(SHOW_OR_HIDE, False)

    expect(ops.locator("#stream-tail")).to_contain_text("lamps.out", timeout=SLOWLY_MS)
    expect(ops.locator("#live-state")).to_have_attribute("data-state", "live", timeout=SLOWLY_MS)


def test_a_tab_that_is_hidden_for_a_moment_keeps_its_socket(ops: Page) -> None:
    socket = open_live(ops, "/streams/")

    ops.evaluate(SHOW_OR_HIDE, True)
    ops.evaluate(SHOW_OR_HIDE, False)
    with socket.expect_event("framereceived", timeout=SLOWLY_MS):
        pass

    assert not socket.is_closed()
