"""This module is what the browser tests start from: a running console with demo data, and people who have signed in to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.running_console import RunningConsole

PATIENCE_MILLISECONDS = 60_000
"""How long a page may take for what it is to show; a machine that runs every suite at once is slow."""

expect.set_options(timeout=PATIENCE_MILLISECONDS)

SignIn = Callable[..., Page]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    return {**browser_type_launch_args, "executable_path": os.environ.get("CIM_CHROMIUM", "/usr/bin/chromium"), "args": quiet}


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """One console for all tests that only look, or whose changes nobody else minds."""
    with RunningConsole(tmp_path_factory.mktemp("console")) as running:
        running.fill()
        yield running


@pytest.fixture
def own_console(tmp_path: Path) -> Iterator[RunningConsole]:
    """A console of this test alone, to stop and start parts of."""
    with RunningConsole(tmp_path) as running:
        running.fill()
        yield running


@pytest.fixture
def sign_in(browser: Browser) -> Iterator[SignIn]:
    """Opens a page in a context of its own, signed in as a person of that role."""
    contexts = []

    def open_page(console: RunningConsole, role: str = "operator", **options: Any) -> Page:
        context = browser.new_context(base_url=console.url, **{"viewport": {"width": 1440, "height": 1000}, **options})
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        contexts.append(context)
        page = context.new_page()
        page.goto(console.sign_in_link(f"olga-{role}", role))
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def ops(sign_in: SignIn, console: RunningConsole) -> Page:
    """A page of the shared console, signed in as an operator."""
    return sign_in(console)
