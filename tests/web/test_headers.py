"""This module is the tests of what every answer says to the browser, and of the pages of errors."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from .conftest import PASSWORD, Visitor

POLICY = (
    "base-uri 'none'; connect-src 'self'; default-src 'none'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data:; script-src 'self'; style-src 'self'; worker-src 'self'"
)
ANSWERS = [
    ("/password", 200),
    ("/people/", 403),
    ("/no/such/page", 404),
    ("/bug", 500),
    ("/no-stream", 404),
    ("/no-server", 503),
    ("/too-late", 409),
    ("/refused", 502),
    ("/healthz", 200),
    ("/sign-in/used", 410),
    ("/sign-out", 405),
    ("/static/css/base.css", 200),
]


@pytest.fixture
def failing(viewer: Visitor, settings: Settings) -> Visitor:
    """A viewer's browser, on a console with views that fail."""
    settings.ROOT_URLCONF = "tests.web.failing_urls"
    viewer.raise_request_exception = False
    return viewer


@pytest.mark.parametrize(("path", "status"), ANSWERS)
def test_every_answer_carries_the_strict_policy(failing: Visitor, path: str, status: int) -> None:
    response = failing.get(path)

    assert response.status_code == status
    assert _sorted_policy(response) == POLICY


@pytest.mark.parametrize(("path", "status"), ANSWERS)
def test_every_answer_forbids_guessing_framing_and_leaking(failing: Visitor, path: str, status: int) -> None:
    headers = failing.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_host_that_is_not_ours_is_refused_with_the_same_headers(visitor: Client) -> None:
    response = visitor.get("/", headers={"Host": "evil.example"})

    assert response.status_code == 400
    assert _sorted_policy(response) == POLICY
    assert "CIM_ALLOWED_HOSTS" in response.content.decode()


def test_pages_are_never_stored(viewer: Visitor) -> None:
    assert viewer.get("/").headers["Cache-Control"] == "no-store"


def test_static_files_may_be_stored_for_a_while(visitor: Client) -> None:
    assert "max-age" in visitor.get("/static/css/base.css").headers["Cache-Control"]


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(visitor: Client, viewer: Visitor) -> None:
    visitor.post("/sign-in", {"username": "viewer", "password": PASSWORD})

    cookie = visitor.cookies["cim-session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_the_page_of_a_bug_tells_nothing_of_its_cause(failing: Visitor) -> None:
    page = failing.get("/bug").content.decode()

    assert "This page failed" in page
    assert "a secret detail" not in page


def test_a_lost_server_is_a_page_that_says_what_to_do(failing: Visitor) -> None:
    page = failing.get("/no-server").content.decode()

    assert "No NATS server answers at nats://10.0.0.4:4222; start it, or correct CIM_NATS_URL." in page


def test_the_error_page_of_a_form_is_marked_so_that_it_never_sends_the_form_again_by_itself(failing: Visitor) -> None:
    assert "data-posted" in failing.post("/no-server", {"reason": "x"}).content.decode()
    assert "data-posted" not in failing.get("/no-server").content.decode()


def test_a_command_without_an_answer_can_be_sent_again_with_the_same_id_and_fields(failing: Visitor) -> None:
    page = failing.post("/no-server?a=b", {"command.id": "019a", "name": "Ada <x>"}).content.decode()

    assert "It is not known whether the command was sent. Sending the same form again is safe" in page
    assert 'action="/no-server?a=b"' in page
    assert '<input type="hidden" name="command.id" value="019a"><input type="hidden" name="name" value="Ada &lt;x&gt;">' in page


def test_another_form_without_an_answer_leads_back_to_where_it_was(failing: Visitor) -> None:
    page = failing.post("/no-server", {"reason": "x"}, headers={"Referer": "http://testserver/the/form"}).content.decode()

    assert "It is not known whether what the form asked for was done." in page
    assert 'href="http://testserver/the/form">Back to the form' in page
    assert "Send the same form again" not in page


def test_a_form_that_is_too_large_is_told_from_a_wrong_host(visitor: Client) -> None:
    response = visitor.post("/sign-in", "next=" + "x" * 3_000_000, content_type="application/x-www-form-urlencoded")

    assert response.status_code == 400
    assert "Its fields together may hold 2,621,440 bytes." in response.content.decode()
    assert "CIM_ALLOWED_HOSTS" not in response.content.decode()


def test_a_refusal_shows_the_servers_own_code(failing: Visitor) -> None:
    page = failing.get("/refused").content.decode()

    assert "The server refused: maximum messages exceeded (code 10077)." in page


def test_a_failed_fragment_is_only_the_notice(failing: Visitor) -> None:
    response = failing.get("/no-stream", headers={"HX-Request": "true"})

    assert response.status_code == 404
    assert response.content.decode().startswith('<div class="notice" data-state="bad"><p><strong>Not found in the store.</strong>')


def test_the_health_check_needs_nobody_signed_in(visitor: Client) -> None:
    assert visitor.get("/healthz").content == b"ok\n"


def _sorted_policy(response: HttpResponse) -> str:
    return "; ".join(sorted(response.headers["Content-Security-Policy"].split("; ")))
