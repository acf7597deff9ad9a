"""Who changed whose access stands in the operator trail, also what was changed while NATS was away."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import PendingNote

from .conftest import Home, Visitor
from .working_console import Worker, read, wait_for, wait_until


@pytest.fixture
def commits(django_capture_on_commit_callbacks: Any) -> Any:
    """Around what is committed within it, as the tests' own transaction never is."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def test_changes_of_people_and_tokens_are_read_in_the_trail(
    admin: Visitor, viewer: Visitor, home: Home, worker: Worker, commits: Any
) -> None:
    with commits():
        admin.post("/people/viewer/role", {"role": "operator"})
        admin.post("/people/viewer/link")
        viewer.post("/tokens/", {"name": "nightly", "days": "7", "may": "all"})
        admin.post("/people/viewer/access", {"active": "0"})

    text = wait_for(admin, "/audit/", "viewer can no longer sign in")

    assert "viewer is operator, was viewer" in text
    assert "a sign-in link for viewer" in text
    assert "token nightly of viewer until" in text
    assert "console.account.viewer" in text
    assert not PendingNote.objects.exists()


def test_change_that_is_refused_is_not_noted(admin: Visitor, home: Home, commits: Any) -> None:
    with commits():
        admin.post("/people/admin/role", {"role": "viewer"})

    assert not PendingNote.objects.exists()


def test_change_made_while_nats_is_away_waits_says_so_and_is_sent_later(
    admin: Visitor, viewer: Visitor, home: Home, worker: Worker, commits: Any
) -> None:
    home.server.stop()
    with commits():
        admin.post("/people/viewer/role", {"role": "auditor"})

    assert "1 change of people or tokens is not in the operator trail yet" in read(admin, "/people/")

    home.server.start()
    wait_until(lambda: admin.get("/audit/").status_code == 200, "the server is away for ever")
    assert "not in the operator trail" not in read(admin, "/people/")
    wait_for(admin, "/audit/", "viewer is auditor, was viewer")
