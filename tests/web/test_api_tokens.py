"""This module is the tests of who comes in by the API: with which token, for how long, with which rights."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apps.accounts.models import AccessToken
from apps.accounts.people import set_role
from apps.accounts.roles import Role
from apps.accounts.tokens import TokenRights, create_token
from apps.persistence.store.embedded import EmbeddedServer

from .api_stage import Program, program_of
from .conftest import Visitor
from .working_console import words

DOCUMENT = "/openapi.json"


@pytest.mark.django_db
@pytest.mark.parametrize("secret", ["", "cim_unknown", "ünknown"])
def test_without_a_token_or_with_a_wrong_one_nobody_comes_in(secret: str) -> None:
    answer = Program(secret).get(DOCUMENT)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="CIM console"')


def test_cookie_of_a_signed_in_browser_does_not_count(admin: Visitor) -> None:
    answers = [admin.get("/api/v1/runs"), admin.post("/api/v1/operations/verify/plan", "{}", content_type="application/json")]

    assert [answer.status_code for answer in answers] == [401, 401]


def test_other_schemes_do_not_count(admin: Visitor, visitor: Client) -> None:
    secret = create_token(admin.person, "basic", days=1).secret

    assert visitor.get("/api/v1/openapi.json", headers={"Authorization": f"Basic {secret}"}).status_code == 401
    assert visitor.get("/api/v1/openapi.json", headers={"Authorization": f"bearer  {secret} "}).status_code == 200


def test_token_that_has_expired_is_refused_with_the_time(viewer: Visitor) -> None:
    program = program_of(viewer)
    AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    answer = program.get(DOCUMENT)

    assert (answer.status, answer.body["type"]) == (401, "/api/v1/problems/token-refused")
    assert answer.body["detail"].startswith("The token nightly expired at 20")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_token_that_was_revoked_is_refused_at_once(viewer: Visitor) -> None:
    program = program_of(viewer)
    assert program.get(DOCUMENT).status == 200

    viewer.post(f"/tokens/{AccessToken.objects.get().pk}/revoke")

    assert program.get(DOCUMENT).body["detail"].startswith("The token nightly was revoked at 20")


def test_tokens_of_a_closed_person_are_refused(admin: Visitor, viewer: Visitor) -> None:
    program = program_of(viewer)

    admin.post("/people/viewer/access", {"active": "0"})

    answer = program.get(DOCUMENT)
    assert answer.status == 401
    assert answer.body["detail"] == "The access of viewer is closed, and with it every token; ask an admin to open it."


def test_token_loses_what_its_person_loses(operator: Visitor) -> None:
    program = program_of(operator)
    assert program.post("/operations/replay/confirm").status == 400

    set_role(operator.person, Role.VIEWER)

    answer = program.post("/operations/replay/confirm")
    assert (answer.status, answer.body["permission"]) == (403, "operations.replay")
    assert answer.body["detail"] == "operator has no operations.replay; it needs the operator role. Ask an admin for it."


def test_token_of_fewer_rights_has_no_others(admin: Visitor) -> None:
    lesser = program_of(admin, TokenRights(role=Role.AUDITOR))
    chosen = program_of(admin, TokenRights(permissions=("runs.view", "operations.verify")))

    answers = [program.post(f"/operations/{name}/confirm") for program in (lesser, chosen) for name in ("verify", "export", "replay")]

    assert [answer.status for answer in answers] == [400, 400, 403, 400, 403, 403]
    assert answers[2].body["detail"].startswith("The token nightly was made without operations.replay, which admin has; ")


def test_token_cannot_have_more_than_its_person(viewer: Visitor) -> None:
    program = program_of(viewer, TokenRights(role=Role.ADMIN, permissions=("operations.purge", "runs.view")))

    assert program.post("/operations/purge/confirm").status == 403


def test_last_use_is_kept(viewer: Visitor) -> None:
    program = program_of(viewer)
    assert AccessToken.objects.get().last_used_at is None

    program.get(DOCUMENT)

    used = AccessToken.objects.get().last_used_at
    assert used is not None
    assert timezone.now() - used < timedelta(minutes=1)


def test_only_the_hash_of_a_token_is_stored(viewer: Visitor) -> None:
    made = create_token(viewer.person, "hashed", days=1)

    assert made.secret not in json.dumps(list(AccessToken.objects.values()), default=str)
    assert len(made.token.secret_digest) == 64


# -- addresses and methods ----------------------------------------------------------------------------------------------------------------


def test_method_that_an_address_does_not_take_is_named(viewer: Visitor) -> None:
    answer = program_of(viewer).send("DELETE", "/runs")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.body["detail"] == "/api/v1/runs takes GET, not DELETE."


def test_address_that_is_none_is_answered_as_json(viewer: Visitor) -> None:
    answer = program_of(viewer).get("/streams")

    assert (answer.status, answer.body["type"]) == (404, "/api/v1/problems/not-found")


@pytest.mark.django_db
def test_type_of_every_problem_leads_to_what_it_stands_for() -> None:
    answer = Program("").get("/problems/plan-stale")

    assert (answer.status, answer.body["status"]) == (200, 409)
    assert Program("").get("/problems/bad-weather").status == 404


def test_nats_that_does_not_answer_is_a_503(operator: Visitor, home_server: EmbeddedServer, home: object) -> None:
    program = program_of(operator)
    home_server.stop()
    try:
        answers = [program.get("/runs"), program.post("/operations/verify/plan")]
    finally:
        home_server.start()

    assert [answer.status for answer in answers] == [503, 503]
    assert {answer.headers["Retry-After"] for answer in answers} == {"5"}


def test_fault_of_the_console_is_json_too(viewer: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of(viewer)
    monkeypatch.setattr("apps.api.document_view.make_document", lambda _choices: {}[0])
    client = Client(raise_request_exception=False)

    response = client.get("/api/v1/openapi.json", headers={"Authorization": f"Bearer {program.secret}"})

    assert (response.status_code, response.headers["Content-Type"]) == (500, "application/problem+json")


# -- the page and the command -------------------------------------------------------------------------------------------------------------


def test_token_is_shown_once_and_works(operator: Visitor) -> None:
    made = operator.post("/tokens/", {"name": "ci", "days": "30", "may": "all"})
    secret = made.context["made"].secret

    assert secret in made.content.decode()
    assert Program(secret).get(DOCUMENT).status == 200
    text = operator.get("/tokens/").content.decode()
    assert secret not in text
    assert "ci Good all that you may" in words(text)


def test_token_with_a_lower_role_or_chosen_permissions_is_made(operator: Visitor) -> None:
    operator.post("/tokens/", {"name": "low", "days": "30", "may": "auditor"})
    operator.post("/tokens/", {"name": "few", "days": "30", "may": "chosen", "permissions": ["runs.view", "operations.verify"]})

    text = words(operator.get("/tokens/").content.decode())

    assert "no more than auditor" in text
    assert "only operations.verify, runs.view" in text


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"name": "CI"}, "You have a token named CI; revoke it first, or choose another name."),
        ({"days": "0"}, "Ensure this value is greater than or equal to 1."),
        ({"days": "367"}, "Ensure this value is less than or equal to 366."),
        ({"may": "admin"}, "admin is not one of the available choices."),
        ({"may": "chosen"}, "Choose at least one permission, or let the token do all that you may."),
        ({"may": "chosen", "permissions": "people.change"}, "people.change is not one of the available choices."),
    ],
)
def test_token_that_cannot_be_is_refused_beside_its_field(operator: Visitor, given: dict[str, str], complaint: str) -> None:
    create_token(operator.person, "ci", days=1)

    response = operator.post("/tokens/", {"name": "new", "days": "30", "may": "all", **given})

    assert response.status_code == 422
    assert complaint in words(response.content.decode())
    assert AccessToken.objects.count() == 1


def test_nobody_revokes_the_token_of_somebody_else(operator: Visitor, admin: Visitor) -> None:
    token = create_token(operator.person, "ci", days=1).token

    assert admin.post(f"/tokens/{token.pk}/revoke").status_code == 404
    assert AccessToken.objects.get().revoked_at is None


def test_signed_out_nobody_sees_tokens(visitor: Client) -> None:
    assert visitor.get("/tokens/").headers["Location"] == "/sign-in?next=/tokens/"


def test_command_makes_and_revokes_tokens(auditor: Visitor) -> None:
    out = StringIO()
    call_command("token", "auditor", "cron", "--days", "7", "--permission", "runs.view", stdout=out)
    program = Program(out.getvalue().strip())
    assert program.get(DOCUMENT).status == 200

    call_command("token", "auditor", "cron", "--revoke", stdout=out)

    assert program.get(DOCUMENT).status == 401


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nobody", "cron"], "There is no active person named 'nobody'"),
        (["auditor", "cron", "--days", "0"], "--days is 0; it must be from 1 to 366."),
        (["auditor", " "], "The name has 0 letters"),
        (["auditor", "cron", "--permission", "operations.purge"], "A token of auditor cannot have operations.purge."),
        (["auditor", "cron", "--revoke"], "auditor has no token named 'cron' that is not revoked."),
    ],
)
def test_command_says_what_is_wrong(auditor: Visitor, arguments: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        call_command("token", *arguments)
