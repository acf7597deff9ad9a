"""This module is the tests of the API as people meet it: a token from the page, and what the docs and the review page say to type."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole
from tests.persistence import pages

DOCS = "docs/api.md"
ON_THIS_MACHINE = "http://127.0.0.1:8000"
SLOWLY = 60_000
MISSING = [name for name in ("bash", "curl", "jq") if shutil.which(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} is not installed, and the documented commands are run as they are"
)


def make_token(page: Page, name: str) -> str:
    """Make a token on the page and read it there."""
    page.goto("/tokens/")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make token").click()
    secret = page.get_by_text(re.compile(r"^cim_[\w-]{43}$")).text_content()
    assert secret is not None
    return secret


def in_shell(script: str, token: str, folder: Path) -> str:
    """What the script prints; it must end well."""
    environment = {**os.environ, "CIM_TOKEN": token, "no_proxy": "127.0.0.1"}
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shape_of(value: Any) -> Any:
    """The names and kinds in a JSON value, whatever it holds; figures are each operation's own."""
    if isinstance(value, dict):
        return {name: shape_of(held) for name, held in value.items() if name != "figures"}
    return type(value).__name__


def test_token_of_the_page_starts_what_the_review_page_says_to_type_until_it_is_revoked(
    console: RunningConsole, sign_in: SignIn, tmp_path: Path
) -> None:
    page = sign_in(console, "auditor")
    secret = make_token(page, "typed")
    page.goto("/runs/new/verify/review/?stream=CIM-EVENTS&full=on")
    page.get_by_text("Equivalent requests").click()
    typed = page.locator("details.command[open] pre").inner_text()

    started = json.loads(in_shell(typed, secret, tmp_path))

    page.goto(f"/runs/{started['run']}/")
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=SLOWLY)
    expect(page.locator("#run-facts")).to_contain_text("the API, token typed")
    page.goto("/tokens/")
    expect(page.locator("main")).not_to_contain_text(secret)
    page.get_by_role("button", name="Revoke typed").click()
    expect(page.get_by_role("row").filter(has_text="typed")).to_contain_text("Revoked")
    status = f'curl -s -o /dev/null -w "%{{http_code}}" -H "Authorization: Bearer $CIM_TOKEN" {console.url}/api/v1/runs'
    assert in_shell(status, secret, tmp_path) == "401"
    assert Axe().run(page).violations_count == 0


def test_page_of_the_docs_runs_from_its_first_command_to_its_last(console: RunningConsole, sign_in: SignIn, tmp_path: Path) -> None:
    secret = make_token(sign_in(console, "auditor"), "nightly")
    blocks = re.findall(r"^```shell\n(.*?)^```$(?:\n\n```json\n(.*?)^```$)?", pages.read(DOCS), flags=re.DOTALL | re.MULTILINE)
    script = "".join(f"{typed}\nprintf '\\0'\n" for typed, _ in blocks).replace(ON_THIS_MACHINE, console.url)

    printed = in_shell(script, secret, tmp_path).split("\0")

    answers = [(json.loads(given), json.loads(promised)) for given, (_, promised) in zip(printed, blocks, strict=False) if promised]
    assert [shape_of(given) for given, _ in answers] == [shape_of(promised) for _, promised in answers]
    assert any(given.get("outcome", "").startswith("Intact: ") for given, _ in answers)
