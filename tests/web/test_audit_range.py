"""This module is the tests of the chain strip: from the whole stream down to one event, with what the log says of it."""

from __future__ import annotations

import re

import pytest

from apps.audit.causes import BY_NAME, cause_words
from apps.audit.findings import Found
from apps.audit.strip import Facts, Gone, cell_size, draw, wider
from apps.persistence.chain import Cause
from apps.persistence.store import ensure_home

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for

TAMPERED = "/audit/CIM-DEMO-TAMPERED/"


def found(sequence: int, cause: str = "content_changed") -> Found:
    return Found(cause=cause, aggregate=None, version=None, sequence=sequence, expected="", found="", explanation="", run_id="")


# -- what is drawn --------------------------------------------------------------------------------------------------------------------


def test_cells_begin_at_round_numbers_and_the_last_one_is_cut() -> None:
    strip = draw(Facts(last=1_234_567, verified=0, covered=0), 1, 1_234_567)

    assert [(cell.first, cell.last) for cell in strip.cells][:2] == [(1, 100_000), (100_001, 200_000)]
    assert strip.cells[-1].last == 1_234_567
    assert sum(cell.size for cell in strip.cells) == 1_234_567


@pytest.mark.parametrize("size", [1, 19, 20, 21, 999, 1_000_000, 10**12])
def test_there_are_never_more_cells_than_fit(size: int) -> None:
    assert -(-size // cell_size(size)) <= 20


def test_a_piece_ends_where_the_verification_and_where_the_signature_ends() -> None:
    strip = draw(Facts(last=100, verified=52, covered=77), 1, 100)

    assert {piece.last for piece in strip.pieces} >= {52, 77}
    assert {piece.state for piece in strip.pieces if piece.last <= 52} == {"intact"}
    assert {piece.state for piece in strip.pieces if piece.first > 52} == {"unknown"}
    assert strip.signed == 770


def test_what_is_gone_says_whether_the_log_covers_it() -> None:
    gone = (Gone(first=1, last=20), Gone(first=61, last=80, run="r"))
    strip = draw(Facts(last=100, verified=100, covered=50, gone=gone), 1, 100)

    states = {(piece.first, piece.state) for piece in strip.pieces}
    assert {(1, "gone_covered"), (61, "gone"), (21, "intact"), (81, "intact")} <= states
    assert [(cell.first, cell.recorded) for cell in strip.cells if cell.recorded] == [(61, 5), (66, 5), (71, 5), (76, 5)]


def test_what_was_signed_and_is_cut_off_is_red() -> None:
    strip = draw(Facts(last=60, verified=40, covered=100), 1, 100)

    assert {piece.state for piece in strip.pieces if piece.first > 60} == {"tail_cut"}
    assert strip.cells[-1].state == "tail_cut"


def test_one_finding_among_a_million_can_be_seen_and_followed() -> None:
    strip = draw(Facts(last=1_000_000, verified=1_000_000, covered=0, findings=(found(1_000_000),)), 1, 1_000_000)

    (red,) = strip.reds
    assert (red.first, red.last, red.width, red.x) == (1_000_000, 1_000_000, 5.0, 995.0)
    assert strip.cells[-1].state == "content_changed"


@pytest.mark.parametrize(("first", "last"), [(50_001, 100_000), (2_001, 2_050), (7, 7)])
def test_wider_contains_the_range_and_is_at_least_five_times_as_wide(first: int, last: int) -> None:
    low, high = wider(first, last, 1_000_000)

    assert low <= first
    assert high >= last
    assert high - low + 1 >= 5 * (last - first + 1)


# -- what the page shows --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def verified(home: Home, worker: Worker, auditor: Visitor) -> None:
    """The tampered stream was verified to its end."""
    if "6 findings" not in read(auditor, TAMPERED):
        wait_for(auditor, start_run(auditor, "/runs/new/verify/review/?stream=CIM-DEMO-TAMPERED"), "Receipt finished")
        wait_for(auditor, TAMPERED, "Findings 6 of 6")


@pytest.mark.usefixtures("verified")
def test_the_strip_leads_step_by_step_to_one_event(viewer: Visitor) -> None:
    whole = page(viewer, TAMPERED)
    assert f'href="{TAMPERED}?first=11&amp;last=15#range"' in whole

    few = read(viewer, f"{TAMPERED}?first=11&last=15")
    assert "11 – 15 5 sequences" in few
    assert "5 of 49 sequences, read just now" in few
    assert "sales.order.content-changed v4" in few

    one = read(viewer, f"{TAMPERED}?first=11&last=11")
    assert "Sequence 11" in one
    assert "CID, hashed just now bafyr4i" in one
    assert "Wider: 11 – 20" in one


@pytest.mark.usefixtures("verified")
def test_the_break_says_in_plain_words_what_it_is_and_what_holds_before_it(viewer: Visitor) -> None:
    text = read(viewer, TAMPERED)

    assert "The break at 11 Content changed Every event carries a fingerprint" in text
    assert "Before it 1 – 10" in text
    assert "38 events were stored later" in text
    assert "Version 5 links to" in text
    assert "the original is not here" in text


@pytest.mark.usefixtures("verified")
def test_two_contents_of_one_version_stand_side_by_side(viewer: Visitor) -> None:
    text = page(viewer, f"{TAMPERED}?first=32&last=32")

    assert "Both contents" in text
    assert re.search(r"<del>.*item_added", text)
    assert re.search(r"<ins>.*discount_applied", text)


@pytest.mark.usefixtures("verified")
def test_findings_can_be_filtered_by_their_cause(viewer: Visitor) -> None:
    text = read(viewer, f"{TAMPERED}?cause=misplaced")

    assert "Findings 1 of 6" in text
    assert "The content is whole, but this is not its place." in text
    assert "Version 4 is stored twice" not in text
    assert "there are content_changed" in read(viewer, f"{TAMPERED}?cause=nonsense", 400)


@pytest.mark.usefixtures("verified")
@pytest.mark.parametrize(
    ("query", "reason"),
    [("first=x&last=2", "is no sequence"), ("first=9&last=2", "it ends at 2, which is before it begins"), ("first=50", "from 1 to 49")],
)
def test_a_range_that_is_none_is_refused_with_the_stream_s_own(viewer: Visitor, query: str, reason: str) -> None:
    assert reason in read(viewer, f"{TAMPERED}?{query}", 400)


@pytest.mark.usefixtures("verified")
def test_a_range_beyond_the_end_is_cut_to_it(viewer: Visitor) -> None:
    assert "48 – 49 2 sequences" in read(viewer, f"{TAMPERED}?first=48&last=1000")


def test_every_cause_that_a_verification_can_name_has_words() -> None:
    assert {cause.value for cause in Cause} <= set(BY_NAME)
    assert cause_words("from_the_future").title == "From the future"


def test_cause_that_is_none_is_refused_where_nothing_was_found_too(viewer: Visitor, home: Home) -> None:
    home.run(lambda store: ensure_home(store.connection))

    assert "it has no findings" in read(viewer, "/audit/CIM-CONSOLE/?cause=xx", 400)
    assert viewer.get("/audit/CIM-CONSOLE/?cause=misplaced").status_code == 200
