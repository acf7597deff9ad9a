"""This module is a reader whose browser verifies what a server shows, by the modules alone, and what it remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from apps.persistence.events import Event
from apps.persistence.store import EVENTS
from tests.persistence.raw_stream import edited

from .shown_log import KEY, STREAM, ShownLog, ShownServer, history, shown_server, three_aggregates

COUNT = 600
LAYOUT = {"kind": "versioned", "root": EVENTS.root}


class Reader:
    """Verifies what the server shows."""

    def __init__(self, server: ShownServer, page: Page) -> None:
        self.server, self._page = server, page

    def verify(self, shown: ShownLog, **wanted: Any) -> dict[str, Any]:
        self.server.shown = shown
        given = {"stream": STREAM, "layout": LAYOUT, "first": 1, "last": None, "vkeys": [KEY.verifier.vkey], "remembered": {}} | wanted
        found: dict[str, Any] = self._page.evaluate(
            """async (wanted) => {
              const { verify } = await import("/js/proof/verify.js");
              try { return await verify(wanted, () => null); } catch (error) { return { state: "failed", words: error.message }; }
            }""",
            given,
        )
        return found

    def said(self, result: dict[str, Any], server: dict[str, str]) -> dict[str, Any]:
        """The verdict as the page says it, beside what the server says."""
        found: dict[str, Any] = self._page.evaluate(
            "async ([result, server]) => (await import('/js/browser-proof-words.js')).verdictOf(result, server, { last: null })",
            [result, server],
        )
        return found


def first_of(result: dict[str, Any]) -> tuple[str, int | None, str]:
    """State, and sequence and cause of the first finding."""
    first = result["findings"][0]
    return result["state"], first["sequence"], first["cause"]


def changed(events: list[Event], sequence: int) -> dict[int, tuple[str, bytes]]:
    """The messages with another payload at one sequence."""
    messages = history(events).messages
    return {**messages, sequence: (messages[sequence][0], edited(events[sequence - 1]))}


def remembering(shown: ShownLog, size: int) -> dict[str, Any]:
    """What a browser kept when the log had so many leaves."""
    root = replace(shown, leaves=shown.leaves[:size]).tree.root().hex()
    return {"checkpoint": {"origin": f"{KEY.name}/{STREAM}", "size": size, "root": root, "at": "2026-11-21T10:40:31.904Z"}}


@pytest.fixture(scope="module")
def reader(browser: Browser) -> Iterator[Reader]:
    page = browser.new_page()
    with shown_server() as server:
        page.goto(f"{server.address}/vendor/README.md")
        yield Reader(server, page)
    page.close()


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """600 events of three aggregates: version v of the first lies at sequence 3 * v - 2."""
    return three_aggregates(COUNT // 3)
