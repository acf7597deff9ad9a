"""This module is the tests of a live tail: what a browser shows and what it links as skipped is together the whole stream."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from apps.live.frames import TAIL_ROWS, Row, Rows
from apps.live.tail import Tail


def rows(first: int, last: int, *, shown_from: int | None = None) -> Rows:
    """A frame of an unfiltered stream: every sequence from `shown_from` on is a row."""
    begin = first if shown_from is None else shown_from
    shown = tuple(Row(sequence=sequence, html=f"<tr><td>{sequence}</td></tr>") for sequence in range(begin, last + 1))
    return Rows(id="tail", rows=shown, first=first, last=last, shown_from=shown_from)


@dataclass
class Browser:
    """What live.js does with the frames of a tail: rows are shown once, what lies between is linked."""

    last: int
    shown: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)

    def apply(self, frame: str | None) -> None:
        if frame is None:
            return
        said = json.loads(frame)
        self.skipped += range(self.last + 1, said["from"])
        self.shown += [sequence for sequence, _ in said["rows"] if sequence > self.last]
        self.last = max(self.last, said["last"])


def test_a_browser_that_has_everything_lacks_nothing() -> None:
    tail = Tail(rows(1, 10))

    assert tail.after(10) is None


def test_a_browser_gets_only_the_rows_after_its_position() -> None:
    tail = Tail(rows(1, 10))

    said = json.loads(tail.after(8) or "")

    assert said == {"id": "tail", "from": 9, "last": 10, "rows": [[9, "<tr><td>9</td></tr>"], [10, "<tr><td>10</td></tr>"]]}


def test_consecutive_frames_join() -> None:
    tail = Tail(rows(1, 10))

    tail.extend(rows(11, 12))

    assert [row.sequence for row in tail.rows] == list(range(1, 13))


def test_a_tail_keeps_only_its_newest_rows_and_says_from_where() -> None:
    tail = Tail(rows(1, TAIL_ROWS))

    tail.extend(rows(TAIL_ROWS + 1, TAIL_ROWS + 50))

    assert len(tail.rows) == TAIL_ROWS
    assert tail.shown_from == 51


def test_what_the_source_skipped_is_not_claimed_as_shown() -> None:
    tail = Tail(rows(1, 10))

    tail.extend(rows(11, 1000, shown_from=991))

    said = json.loads(tail.after(10) or "")
    assert said["from"] == 991
    assert [sequence for sequence, _ in said["rows"]] == list(range(991, 1001))


def test_rows_that_a_restarted_source_yields_again_are_not_shown_twice() -> None:
    tail = Tail(rows(1, 10))

    tail.extend(rows(5, 12))

    assert [row.sequence for row in tail.rows] == list(range(1, 13))


def test_a_filtered_tail_moves_on_where_nothing_matched() -> None:
    tail = Tail(rows(1, 10))

    tail.extend(Rows(id="tail", rows=(), first=11, last=500))

    assert json.loads(tail.after(10) or "") == {"id": "tail", "from": 11, "last": 500, "rows": []}


def test_the_total_counts_shown_and_skipped_events_once() -> None:
    tail = Tail(rows(1, 10))

    tail.extend(rows(5, 1000, shown_from=991))

    assert tail.total == 1000


def test_a_stream_made_anew_starts_the_tail_anew() -> None:
    tail = Tail(rows(1, 500))

    tail.extend(rows(1, 3))

    assert [row.sequence for row in tail.rows] == [1, 2, 3]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.integers(1, 700), st.integers(0, 300)),  # how many new events, how many of them are rendered
        st.tuples(st.just("show"), st.just(0), st.just(0)),  # the browser has acknowledged: it is sent what it lacks
        st.tuples(st.just("lose"), st.just(0), st.just(0)),  # the source starts again and yields its newest rows once more
    ),
    max_size=40,
)


@given(first=st.integers(1, 50), steps=STEPS)
def test_shown_and_skipped_are_together_every_sequence_exactly_once(first: int, steps: list[tuple[str, int, int]]) -> None:
    tail = Tail(rows(1, first))
    browser = Browser(last=0)

    newest = first
    for what, count, rendered in steps:
        if what == "arrive":
            tail.extend(rows(newest + 1, newest + count, shown_from=newest + count - min(count, rendered) + 1))
            newest += count
        elif what == "show":
            browser.apply(tail.after(browser.last))
        else:
            tail = Tail(rows(max(1, newest - TAIL_ROWS + 1), newest))
    browser.apply(tail.after(browser.last))

    assert sorted(browser.shown + browser.skipped) == list(range(1, newest + 1))
