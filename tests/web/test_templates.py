"""This module is the tests of every template: nothing in it that the policy forbids, and no longer than the style guide allows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from .conftest import Visitor

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
FORBIDDEN = re.compile(r"\sstyle=|<style|\son[a-z]+=|hx-on|javascript:|js:|<script(?![^>]*\ssrc=)", re.IGNORECASE)


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_holds_no_inline_style_or_script_and_is_short(path: Path) -> None:
    text = path.read_text()

    assert FORBIDDEN.findall(text) == []
    assert len(text.splitlines()) <= 120


def test_the_chosen_theme_is_in_the_page_from_the_start(viewer: Visitor) -> None:
    viewer.post("/theme", {"theme": "dark", "next": "/"})

    assert '<html lang="en" data-theme="dark"' in viewer.get("/").content.decode()


def test_a_theme_that_does_not_exist_changes_nothing(visitor: Client) -> None:
    visitor.post("/theme", {"theme": '"><script>', "next": "//evil.example"})

    assert "cim-theme" not in visitor.cookies


def test_the_rail_leaves_out_what_a_person_may_not_see(viewer: Visitor) -> None:
    assert 'href="/people/"' not in viewer.get("/").content.decode()


def test_the_rail_marks_the_area_of_the_page(admin: Visitor) -> None:
    page = admin.get("/people/").content.decode()

    assert re.search(r'<a href="/people/"[^>]* aria-current="true"', page)
