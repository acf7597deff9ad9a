"""This module is the tests of what surrounds a run on its pages: trying it first, its limit, what failed in it, and who may ask at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from apps.persistence.operations import OPERATIONS
from apps.persistence.store import COMMANDS_STREAM, Store, get_stream
from tests.persistence.trial_operations import Count, Pick

from .conftest import Home, Visitor
from .working_console import page, read, start_run, wait_for, words

COUNT = "/runs/new/count/review/?to=2&name=tried"
PICK = "/runs/new/pick/review/?count=30&broken=7"

pytestmark = pytest.mark.usefixtures("home", "worker")


@pytest.fixture(autouse=True, scope="module")
def trial_operations() -> Iterator[None]:
    """The console knows two more operations, and so does the worker in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OPERATIONS, "count", Count)  # type: ignore[arg-type]
        patch.setitem(OPERATIONS, "pick", Pick)  # type: ignore[arg-type]
        yield


def try_first(visitor: Visitor, review: str) -> str:
    """Press "Dry run" and return the address of its run."""
    token = re.search(r'name="plan" value="([^"]+)"', page(visitor, review))
    assert token is not None
    response = visitor.post(review, {"plan": token[1], "dry_run": "on"})
    assert response.status_code == 302
    return str(response.headers["Location"])


def test_form_has_a_field_of_its_kind_for_every_parameter(operator: Visitor) -> None:
    text = page(operator, "/runs/new/count/?fruits=plum&fruits=pear&note=a%0Ab")

    assert '<select name="fruits" multiple' in text or ('<select name="fruits"' in text and " multiple" in text)
    assert '<option value="plum" selected>' in text
    assert re.search(r'<textarea name="note"[^>]*>\s*a\nb</textarea>', text)
    assert '<option value="down">down</option>' in text


def test_several_chosen_values_stay_in_the_equivalent_command(operator: Visitor) -> None:
    text = read(operator, "/runs/new/count/review/?to=2&fruits=plum&fruits=pear&is_exact=off")

    assert "manage.py start count --to 2 --fruits plum --fruits pear --no-is-exact --reason" in text


def test_dry_run_shows_samples_and_leads_to_the_real_run(operator: Visitor) -> None:
    run = try_first(operator, COUNT)

    text = wait_for(operator, run, "Receipt finished")
    assert "Would count to 2." in text
    assert "step 1 0 1" in text
    assert re.search(r'href="/runs/new/count/review/\?to=2&amp;[^"]*name=tried', page(operator, run))


def test_review_leads_to_the_last_dry_run_of_the_same_parameters(operator: Visitor) -> None:
    run = try_first(operator, "/runs/new/count/review/?to=4")
    wait_for(operator, run, "Receipt finished")

    assert "The last dry run of just this" in wait_for(operator, "/runs/new/count/review/?to=4", "Would count to 4.")
    assert "There was none yet for these parameters." in read(operator, "/runs/new/count/review/?to=40")


def test_operation_without_a_dry_run_offers_none(operator: Visitor) -> None:
    assert "Try it first" not in read(operator, PICK)


def test_limit_is_asked_for_shown_and_changed(operator: Visitor) -> None:
    run = start_run(operator, "/runs/new/pick/review/?count=100000&broken=0", limit="5")
    wait_for(operator, run, "of at most 5")

    assert "write a whole number of events a second" in words(operator.post(f"{run}limit/", {"limit": "many"}).content.decode())
    operator.post(f"{run}limit/", {"limit": ""})

    assert re.search(r"v\d limited operator .*no limit", wait_for(operator, run, "Receipt finished"))


def test_what_failed_is_grouped_and_only_that_is_retried(operator: Visitor) -> None:
    run = start_run(operator, PICK)
    text = wait_for(operator, run, "Receipt finished")
    assert "What failed 4 items, by reason" in text
    assert 'href="/numbers/14/"' in page(operator, run)

    again = start_run(operator, f"/runs/new/pick/review/?retry={run.strip('/').rpartition('/')[2]}")

    assert "Picked 4: 7 14 21 28." in wait_for(operator, again, "Receipt finished")
    assert "Retry of" in read(operator, again)


def test_run_in_which_nothing_failed_cannot_be_retried(operator: Visitor) -> None:
    run = start_run(operator, "/runs/new/pick/review/?broken=0")
    wait_for(operator, run, "Receipt finished")

    text = read(operator, f"/runs/new/pick/review/?retry={run.strip('/').rpartition('/')[2]}", 400)

    assert "Nothing failed in the run" in text


def test_runs_are_found_by_time(operator: Visitor) -> None:
    wait_for(operator, start_run(operator, "/runs/new/pick/review/?count=3"), "Receipt finished")

    assert "Pick 3" in wait_for(operator, "/runs/?since=1+hour+ago", "Pick 3")
    assert "No run for this filter" in read(operator, "/runs/?until=1+hour+ago")
    assert "is no time; write a time such as" in read(operator, "/runs/?since=7", 400)


def test_second_run_on_a_busy_target_names_the_run_that_it_waits_for(operator: Visitor) -> None:
    first = start_run(operator, "/runs/new/count/review/?to=9000&name=busy&is_exact=off")
    wait_for(operator, first, "of 9,000")

    second = start_run(operator, "/runs/new/count/review/?to=1&name=busy&is_exact=off")

    text = wait_for(operator, second, "Waiting for Count to 9000")
    assert "asked for by operator, which works on count/busy now." in text
    assert "Waiting for a worker" not in text
    assert f'<a href="{first}">Count to 9000</a>' in page(operator, second)
    operator.post(f"{first}cancel/")
    wait_for(operator, second, "Receipt finished")


def test_pausing_what_is_paused_and_resuming_what_runs_is_answered_clearly(operator: Visitor) -> None:
    run = start_run(operator, "/runs/new/count/review/?to=9000&name=clearly&is_exact=off")
    wait_for(operator, run, "of 9,000")

    resumed = operator.post(f"{run}resume/", follow=True)
    operator.post(f"{run}pause/")
    wait_for(operator, run, "It rests")
    paused = operator.post(f"{run}pause/", follow=True)
    operator.post(f"{run}cancel/")

    assert "The run will not go on: The run is running already; only a paused run can be resumed." in words(resumed.content.decode())
    assert "The run will not be paused: The run is paused already." in words(paused.content.decode())


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_viewer_who_posts_to_an_operation_is_refused_and_nothing_is_asked(viewer: Visitor, home: Home, name: str) -> None:
    async def last(store: Store) -> int:
        return (await get_stream(store.connection, COMMANDS_STREAM)).last_sequence

    before = home.run(last)
    answers = [viewer.post(f"/runs/new/{name}/review/", {"plan": "x", "reason": "because", **more}) for more in ({}, {"dry_run": "on"})]
    answers.append(viewer.get(f"/runs/new/{name}/review/"))

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert home.run(last) == before


@pytest.mark.parametrize("word", ["pause", "resume", "cancel", "limit"])
def test_viewer_cannot_control_a_run_of_somebody_else(viewer: Visitor, operator: Visitor, word: str) -> None:
    run = start_run(operator, "/runs/new/pick/review/?count=2")

    assert viewer.post(f"{run}{word}/").status_code == 403


def test_hostile_text_in_reason_and_target_is_shown_as_text(operator: Visitor) -> None:
    hostile = "<script>alert(1)</script>{{ 7 }}"
    run = start_run(operator, "/runs/new/count/review/?to=1&name=%3Cscript%3Ealert(2)%3C/script%3E", reason=hostile)

    text = wait_for(operator, run, "Receipt finished")
    assert hostile in text
    assert "<script>alert" not in page(operator, run) + page(operator, "/runs/")
