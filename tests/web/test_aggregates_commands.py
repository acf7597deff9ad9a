"""This module is the tests of sending commands as a browser without JavaScript does: what is offered, the form, the answer, the events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.test import Client

from apps import connection
from apps.aggregates import commands as command_pages
from apps.domain.cqrs import find_ack
from apps.persistence.events import AggregateRef, new_id
from apps.persistence.store import Store, ensure_home, load
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import Home, Visitor, home_settings
from .working_console import Worker, page, read, wait_for, words

DOMAINS = ["apps.domain", "tests.web.staff_domain"]
HIRE = "/aggregates/staff.clerk/new/hire/"
ADA: dict[str, Any] = {
    "name": "Ada", "email": "ada@example.org", "begins": "2026-12-01", "salary.cents": "500,000", "salary.currency": "EUR",
}  # fmt: skip


@pytest.fixture(scope="module")
def at_work(home_server: EmbeddedServer) -> Iterator[Worker]:
    """A worker that knows the orders and the staff."""
    Home(home_server).run(lambda store: ensure_home(store.connection))
    with Worker(home_server, DOMAINS) as alive:
        yield alive


@pytest.fixture(autouse=True)
def console(home: Home, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages know the same domains as the worker, and wait for it as long as it takes on a busy machine."""
    settings.CIM_DOMAINS = DOMAINS
    monkeypatch.setattr(command_pages, "ANSWER_SECONDS", 30.0)


def form_of(client: Client, address: str) -> str:
    """The command id of a fresh form."""
    found = re.search(r'name="command.id" value="([^"]+)"', page(client, address))
    assert found is not None
    return found[1]


def send(client: Client, address: str, status: int = 302, **given: str) -> HttpResponse:
    fields = {"command.id": form_of(client, address)} | given
    response: HttpResponse = client.post(address, fields)  # type: ignore[assignment]
    assert response.status_code == status, words(response.content.decode())[:3000]
    return response


def hired(client: Client, id: str, **more: str) -> str:
    """Hire somebody; returns the address of the page that says what came of it."""
    return send(client, HIRE, **{"aggregate.id": id, **ADA, **more}).headers["Location"]


def history_of(home: Home, ref: AggregateRef) -> list[Any]:
    async def read_all(store: Store) -> list[Any]:
        return [stored.event for stored in (await load(store, ref)).events]

    return home.run(read_all)


@pytest.mark.usefixtures("at_work")
def test_a_command_is_accepted_and_its_events_name_who_sent_it(operator: Visitor, home: Home) -> None:
    address = hired(operator, "ada")

    text = wait_for(operator, address, "hired")
    (event,) = history_of(home, AggregateRef("staff", "clerk", "ada"))
    assert "Accepted. A worker has carried it out." in text
    assert event.actor == "operator"
    assert event.correlation == event.causation == address.rstrip("/").rpartition("/")[2]
    assert event.payload["salary"] == {"cents": 500_000, "currency": "EUR"}


@pytest.mark.usefixtures("at_work")
def test_every_kind_of_field_reaches_the_payload(operator: Visitor, home: Home) -> None:
    skills = {"skills.rows": "2", "skills.0.name": "Chess", "skills.0.level": "senior", "skills.1.name": "", "skills.1.level": ""}
    rest = {"tags": "a\nb\n", "phones": "desk = 12\nhome=13", "hours": "37.5", "is_remote": "on", "note": "One.\nTwo."}

    wait_for(operator, hired(operator, "bob", **skills, **rest), "hired")

    (event,) = history_of(home, AggregateRef("staff", "clerk", "bob"))
    assert event.payload == {
        "name": "Ada",
        "email": "ada@example.org",
        "begins": "2026-12-01",
        "salary": {"cents": 500_000, "currency": "EUR"},
        "skills": [{"name": "Chess", "level": "senior"}],
        "tags": ["a", "b"],
        "phones": {"desk": "12", "home": "13"},
        "hours": 37.5,
        "is_remote": True,
        "note": "One.\nTwo.",
    }


@pytest.mark.parametrize(
    ("given", "id", "sentence"),
    [
        ({"name": ""}, "field-name", "Name is needed."),
        ({"email": "ada"}, "field-email", "'ada' is no e-mail address"),
        ({"salary.cents": "much"}, "field-salary-cents", "'much' must be a whole number, such as 12."),
        ({"salary.cents": "-1"}, "field-salary", "-1 is no amount"),
        ({"hours": "many"}, "field-hours", "'many' must be a number, such as 12.5."),
        ({"phones": "desk 12"}, "field-phones", "'desk 12' has no name and value; write it as name = value."),
        ({"skills.rows": "1", "skills.0.level": "senior"}, "field-skills-0-name", "Name is needed."),
        (
            {"skills.rows": "2", "skills.1.name": "Chess\x07", "skills.1.level": "senior"},
            "field-skills-1-name",
            "cannot be used: give 1 to 200 printable characters",
        ),
        ({"name": "<script>alert(1)</script>\x07"}, "field-name", "cannot be used: give 1 to 200 printable characters"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_sent(
    operator: Visitor, home: Home, given: dict[str, str], id: str, sentence: str
) -> None:
    response = send(operator, HIRE, 422, **{"aggregate.id": "eve", **ADA, **given})

    text = response.content.decode()
    beside = text[text.index(f'id="{id}"') :]
    assert sentence in words(beside[: beside.index("</p>")])
    assert "<script>alert(1)</script>" not in text
    assert history_of(home, AggregateRef("staff", "clerk", "eve")) == []


def test_a_row_more_is_shown_without_any_script(operator: Visitor) -> None:
    sent: HttpResponse = operator.post(HIRE, {"aggregate.id": "eve", "name": "Eve", "skills.rows": "1", "more": "skills"})  # type: ignore[assignment]

    text = sent.content.decode()
    assert sent.status_code == 200
    assert 'name="skills.1.name"' in text
    assert 'value="Eve"' in text


def test_an_id_that_cannot_be_is_refused_beside_its_field(operator: Visitor) -> None:
    text = words(send(operator, HIRE, 422, **{"aggregate.id": "a.b", **ADA}).content.decode())

    assert "'a.b' cannot be used as an aggregate id" in text


@pytest.mark.usefixtures("at_work")
def test_a_worker_that_rejects_is_quoted_and_what_was_typed_stays(operator: Visitor) -> None:
    hired(operator, "twice")

    text = send(operator, HIRE, 422, **{"aggregate.id": "twice", **ADA}).content.decode()

    assert "Rejected. The clerk exists already; give a new one another id." in words(text)
    assert 'value="ada@example.org"' in text


@pytest.mark.usefixtures("at_work")
def test_sending_the_same_form_twice_has_one_effect(operator: Visitor, home: Home) -> None:
    hired(operator, "fay")
    address = "/aggregates/staff.clerk/fay/commands/leave/"
    fields = {"command.id": form_of(operator, address)}

    first, second = operator.post(address, fields), operator.post(address, fields)

    assert first.headers["Location"] == second.headers["Location"]
    assert [event.type for event in history_of(home, AggregateRef("staff", "clerk", "fay"))] == ["hired", "left"]


@pytest.mark.usefixtures("at_work")
def test_the_page_offers_what_is_legal_now_and_says_why_the_rest_is_not(operator: Visitor) -> None:
    hired(operator, "gil")

    text = page(operator, "/aggregates/staff.clerk/gil/")
    assert '<a class="button" href="/aggregates/staff.clerk/gil/commands/leave/">Leave…</a>' in text
    assert "1 not legal now Return The clerk is employed; return is only legal when it is on leave." in words(text)


@pytest.mark.usefixtures("at_work")
def test_the_machine_marks_where_it_stands_and_links_the_next_moves(operator: Visitor) -> None:
    hired(operator, "hal")

    text = page(operator, "/aggregates/staff.clerk/hal/")
    drawn = text[text.index("<svg viewBox") : text.index("</svg>", text.index("<svg viewBox"))]
    assert re.findall(r'data-kind="(\w+)"[^>]*>.*?<text[^>]*>([^<]+)<', drawn) == [
        ("current", "Employed"), ("next", "On leave"), ("next", "Gone"),
    ]  # fmt: skip
    assert "It is employed now; it can become on leave, gone." in drawn
    assert drawn.count('href="/aggregates/staff.clerk/hal/commands/dismiss/"') == 2
    assert "data-legal" in drawn


@pytest.mark.usefixtures("at_work")
def test_a_final_state_offers_nothing(operator: Visitor) -> None:
    hired(operator, "ida")
    send(operator, "/aggregates/staff.clerk/ida/commands/dismiss/", reason="closing down")

    assert "No command is legal any more." in read(operator, "/aggregates/staff.clerk/ida/")


@pytest.mark.usefixtures("at_work")
def test_a_command_that_is_not_legal_is_rejected_with_both_states(operator: Visitor) -> None:
    hired(operator, "jon")
    send(operator, "/aggregates/staff.clerk/jon/commands/leave/")
    address = "/aggregates/staff.clerk/jon/commands/dismiss/"

    assert "Not legal now. The clerk is on leave and cannot become gone; it can only become employed." in read(operator, address)
    text = words(send(operator, address, 422, reason="none").content.decode())
    assert "Rejected. The clerk is on leave and cannot become gone" in text


@pytest.mark.usefixtures("at_work")
def test_who_may_not_send_sees_which_role_may_and_cannot(viewer: Visitor, operator: Visitor) -> None:
    hired(operator, "kim")

    text = page(viewer, "/aggregates/staff.clerk/kim/")
    assert "commands/leave/" not in text
    assert "Needs the operator role." in text
    assert "This needs the operator role" in read(viewer, "/aggregates/staff.clerk/kim/commands/leave/", 403)
    assert viewer.post("/aggregates/staff.clerk/kim/commands/leave/", {"command.id": new_id()}).status_code == 403
    assert "new/hire/" not in page(viewer, "/aggregates/staff.clerk/")


def test_a_new_one_is_offered_on_the_page_of_its_type(operator: Visitor) -> None:
    assert f'href="{HIRE}"' in page(operator, "/aggregates/staff.clerk/")
    assert 'href="/aggregates/sales.order/new/create/"' in page(operator, "/aggregates/sales.order/")


@pytest.mark.parametrize(
    "address", ["/aggregates/staff.clerk/new/leave/", "/aggregates/staff.clerk/x/commands/fly/", "/aggregates/a.b/new/x/"]
)
def test_a_command_that_is_not_declared_has_no_page(operator: Visitor, address: str) -> None:
    page(operator, address, 404)


def test_a_command_id_that_is_none_is_refused(operator: Visitor) -> None:
    page(operator, "/aggregates/staff.clerk/x/sent/not-an-id/", 400)


@pytest.mark.usefixtures("at_work")
def test_the_order_is_commanded_by_the_same_pages(operator: Visitor, home: Home) -> None:
    place = send(operator, "/aggregates/sales.order/new/create/", **{"aggregate.id": "o-1", "customer": "c-1", "currency": "EUR"})
    item = {"sku": "LAMP-042", "name": "Lamp", "quantity": "2", "unit_price.cents": "1250", "unit_price.currency": "EUR"}
    send(operator, "/aggregates/sales.order/o-1/commands/add_item/", **item)

    assert "created for c-1, in EUR" in wait_for(operator, place.headers["Location"], "created")
    text = read(operator, "/aggregates/sales.order/o-1/")
    assert "Submit The order has no address; it cannot be submitted yet." in text
    assert [event.type for event in history_of(home, AggregateRef("sales", "order", "o-1"))] == ["created", "item_added"]


def test_without_a_worker_the_page_says_so_and_the_command_is_not_lost(
    operator: Visitor, tmp_path_factory: pytest.TempPathFactory, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_pages, "ANSWER_SECONDS", 0.2)
    with EmbeddedServer(tmp_path_factory.mktemp("idle")) as server:
        Home(server).run(lambda store: ensure_home(store.connection))
        settings.CIM_HOME = home_settings(server)
        connection.stop()

        address = hired(operator, "lou")
        waiting = read(operator, address)
        with Worker(server, DOMAINS):
            text = wait_for(operator, address, "hired")

        command_id = address.rstrip("/").rpartition("/")[2]
        answer = Home(server).run(lambda store: find_ack(store.connection, command_id))
        connection.stop()
    assert "Not answered yet: no worker is at work." in waiting
    assert "Accepted." in text
    assert answer is not None
