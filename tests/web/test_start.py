"""This module is the tests of `manage.py start`: what it prints, and the status with which it ends."""

from __future__ import annotations

import io

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from .conftest import Home
from .working_console import Worker, write_demo


@pytest.fixture(scope="module")
def made() -> set[str]:
    return set()


@pytest.fixture
def demo(home: Home, settings: LazySettings, made: set[str]) -> Home:
    """A console with the demo's first orders and the tampered ones."""
    settings.CIM_DOMAINS = ["apps.domain"]
    if not made:
        made.add("demo")
        home.run(write_demo)
    return home


def start(*words: str) -> str:
    """What the command prints, started with --yes and a reason."""
    out = io.StringIO()
    call_command("start", *words, "--yes", "--reason", "because", stdout=out)
    return out.getvalue()


def test_what_is_intact_ends_well(demo: Home) -> None:
    with Worker(demo.server):
        assert "Intact: " in start("verify", "--stream", "CIM-EVENTS")


def test_findings_end_with_a_status_of_their_own(demo: Home) -> None:
    with Worker(demo.server), pytest.raises(CommandError) as error:
        start("verify", "--stream", "CIM-DEMO-TAMPERED", "--full")

    assert error.value.returncode == 3


def test_earlier_findings_end_so_also_where_nothing_is_new_beside_them(demo: Home) -> None:
    with Worker(demo.server):
        with pytest.raises(CommandError):
            start("verify", "--stream", "CIM-DEMO-TAMPERED", "--full")
        with pytest.raises(CommandError) as error:
            start("verify", "--scope", "everything")

    assert error.value.returncode == 3


def test_a_refusal_ends_with_the_usual_status(demo: Home) -> None:
    with pytest.raises(CommandError, match="NOWHERE holds no chains") as error:
        start("verify", "--stream", "NOWHERE")

    assert error.value.returncode == 1


def test_the_placeholder_of_a_copied_command_is_no_reason(demo: Home) -> None:
    with pytest.raises(CommandError, match="only a placeholder"):
        call_command("start", "verify", "--yes", "--reason", "…")


def test_a_limit_below_nothing_is_refused_before_anything_is_planned(demo: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match=r"The limit is -1; .*Nothing was started"):
        start("verify", "--stream", "CIM-EVENTS", "--limit", "-1")

    assert "Run " not in capsys.readouterr().out
