"""This module is the tests of who may do what."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.template import RequestContext, Template
from django.test import Client, RequestFactory

from apps.accounts.backend import role_of
from apps.accounts.people import add_person
from apps.accounts.rights import permission_required
from apps.accounts.roles import PERMISSIONS, Role, least_role

from .conftest import Visitor

MATRIX = [
    # permission, viewer, auditor, operator, admin
    ("streams.view", True, True, True, True),
    ("aggregates.view", True, True, True, True),
    ("projections.view", True, True, True, True),
    ("audit.view", True, True, True, True),
    ("runs.view", True, True, True, True),
    ("audit.verify", False, True, True, True),
    ("audit.export", False, True, True, True),
    ("operations.verify", False, True, True, True),
    ("operations.replay", False, False, True, True),
    ("operations.acme_reindex", False, False, True, True),
    ("projections.skip", False, False, True, True),
    ("snapshots.take", False, False, True, True),
    ("runs.control", False, False, True, True),
    ("runs.approve", False, False, False, True),
    ("people.view", False, False, False, True),
    ("people.change", False, False, False, True),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("permission", "viewer", "auditor", "operator", "admin"), MATRIX)
def test_each_role_has_the_rights_of_those_before_it(permission: str, viewer: bool, auditor: bool, operator: bool, admin: bool) -> None:
    held = {role: add_person(f"a-{role}", role=role).has_perm(permission) for role in Role}

    assert held == {Role.VIEWER: viewer, Role.AUDITOR: auditor, Role.OPERATOR: operator, Role.ADMIN: admin}


@pytest.mark.django_db
def test_a_person_without_a_role_has_no_right() -> None:
    person = User.objects.create_user("nobody")

    assert not any(person.has_perm(permission) for permission in PERMISSIONS)


@pytest.mark.django_db
def test_a_closed_person_has_no_right() -> None:
    person = add_person("gone", role=Role.ADMIN)
    person.is_active = False

    assert not person.has_perm("streams.view")


@pytest.mark.django_db
def test_of_several_roles_the_highest_counts() -> None:
    person = add_person("both", role=Role.VIEWER)
    person.groups.add(Group.objects.get(name="operator"))

    assert role_of(User.objects.get(username="both")) is Role.OPERATOR


def test_a_slip_in_the_name_of_a_permission_is_found_when_the_view_is_made() -> None:
    with pytest.raises(LookupError, match=r"'streams\.veiw' is no permission"):
        permission_required("streams.veiw")


def test_an_operation_that_the_table_does_not_name_needs_an_operator() -> None:
    assert least_role("operations.acme_reindex") is Role.OPERATOR


def test_somebody_signed_out_is_led_to_the_sign_in_page_and_back(visitor: Client) -> None:
    response = visitor.get("/people/?page=2")

    assert response.headers["Location"] == "/sign-in?next=/people/%3Fpage%3D2"


def test_somebody_signed_out_in_a_fragment_is_led_there_with_the_whole_window(visitor: Client) -> None:
    response = visitor.get("/people/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/people/"})

    assert response.headers["HX-Redirect"] == "/sign-in?next=/people/"


def test_the_page_of_a_refusal_names_the_role_that_is_needed(operator: Visitor) -> None:
    response = operator.get("/people/")

    assert response.status_code == 403
    assert "This needs the admin role; ask an admin for it." in response.content.decode()


def test_a_refused_fragment_is_only_the_notice(viewer: Visitor) -> None:
    response = viewer.post("/people/viewer/role", {"role": "admin"}, headers={"HX-Request": "true"})

    assert response.status_code == 403
    assert response.content.decode().startswith('<div class="notice" data-state="bad">')


@pytest.mark.django_db
def test_an_act_that_is_not_allowed_stays_visible_with_its_reason() -> None:
    request = RequestFactory().get("/")
    request.user = add_person("looker", role=Role.VIEWER)
    template = Template('{% can "projections.pause" as may %}{% if may %}Go{% else %}{% locked "Pause" "projections.pause" %}{% endif %}')

    html = template.render(RequestContext(request))

    assert html == (
        '<button type="button" class="button" aria-disabled="true">Pause <span class="reason">Needs the operator role.</span></button>'
    )
