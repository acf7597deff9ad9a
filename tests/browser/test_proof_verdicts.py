"""A browser that verifies says of each history that a server may show whether it holds, and where it first does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.events import Event
from apps.persistence.log import Checkpoint, KeyKind, SigningKey
from apps.persistence.log.rotation import sign_rotation
from tests.persistence.raw_stream import edited

from .browser_reader import COUNT, Reader, changed, events, first_of, reader, remembering
from .shown_log import KEY, STREAM, history, leaf, three_aggregates

__all__ = ["events", "reader"]

# -- what holds ------------------------------------------------------------------------------------------------------------------------


def test_honest_history_is_intact(reader: Reader, events: list[Event]) -> None:
    result = reader.verify(history(events).signed())

    assert (result["state"], result["found"], result["events"], result["links"], result["aggregates"]) == ("intact", 0, COUNT, 597, 3)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (256, 257), (257, 512), (100, 599), (600, 600), (2, 600)])
def test_any_range_of_an_honest_history_is_intact(reader: Reader, events: list[Event], first: int, last: int) -> None:
    result = reader.verify(history(events).signed(), first=first, last=last)

    assert (result["state"], result["events"], result["covered"]) == ("intact", last - first + 1, last - first + 1)


def test_what_was_purged_is_counted_and_the_log_still_holds_it(reader: Reader, events: list[Event]) -> None:
    result = reader.verify(history(events).signed().without(*range(1, 40), 300, 301))

    assert (result["state"], result["events"], result["gone"], result["firstGone"]) == ("intact", COUNT - 41, 41, 1)


def test_sequence_that_was_empty_when_it_was_logged_is_no_fault(reader: Reader, events: list[Event]) -> None:
    shown = history(events[:9]).without(9)
    shown.leaves[8] = leaf(9, None)

    result = reader.verify(shown.signed())

    assert (result["state"], result["gone"], result["empty"]) == ("intact", 0, 1)


def test_events_after_the_checkpoint_are_read_and_said_not_to_be_covered(reader: Reader, events: list[Event]) -> None:
    whole = history(events)
    shown = replace(whole, note=history(events[:300]).signed().note)

    result = reader.verify(shown)

    assert (result["state"], result["events"], result["covered"], result["checkpoint"]["size"]) == ("intact", 600, 300, 300)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 599, 600])
def test_history_that_goes_on_from_what_was_seen_holds(reader: Reader, events: list[Event], size: int) -> None:
    shown = history(events).signed()

    result = reader.verify(shown, first=590, last=600, remembered=remembering(shown, size))

    assert (result["state"], result["remembered"]) == ("intact", {"size": size, "at": "2026-11-21T10:40:31.904Z", "holds": True})


def test_later_key_counts_by_the_notes_that_lead_to_it_from_the_first(reader: Reader, events: list[Event]) -> None:
    new = SigningKey.generate(KEY.name, KeyKind.LOG)
    shown = replace(history(events).signed(new), vkeys=[KEY.verifier.vkey, new.verifier.vkey], rotations=[sign_rotation(KEY, new).raw])

    result = reader.verify(shown)

    assert (result["state"], result["checkpoint"]["by"]) == ("intact", new.named(f"{new.name}/{STREAM}").verifier.vkey)


def test_without_a_key_given_the_server_names_it_and_the_result_says_so(reader: Reader, events: list[Event]) -> None:
    result = reader.verify(history(events).signed(), vkeys=[])

    assert (result["state"], result["trust"]) == ("intact", {"isGiven": False, "first": KEY.verifier.vkey})


def test_history_that_nobody_signed_is_not_called_intact(reader: Reader, events: list[Event]) -> None:
    result = reader.verify(history(events))

    assert (result["state"], result["found"], result["checkpoint"]) == ("unsigned", 0, None)


# -- what does not ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [1, 2, 255, 256, 257, 599, 600])
def test_changed_event_is_named_with_both_cids(reader: Reader, events: list[Event], sequence: int) -> None:
    shown = replace(history(events).signed(), messages=changed(events, sequence))

    result = reader.verify(shown)

    assert first_of(result) == ("broken", sequence, "content_changed")
    assert result["findings"][0]["expected"] == str(cid_of(events[sequence - 1].to_block()))
    assert result["findings"][0]["found"] == str(cid_of(edited(events[sequence - 1])))


def test_changed_event_is_named_in_a_range(reader: Reader, events: list[Event]) -> None:
    shown = replace(history(events).signed(), messages=changed(events, 300))

    assert first_of(reader.verify(shown, first=290, last=310)) == ("broken", 300, "content_changed")
    assert reader.verify(shown, first=304, last=310)["state"] == "intact"


def test_history_that_was_rewritten_with_its_log_is_not_what_was_signed(reader: Reader, events: list[Event]) -> None:
    rewritten = history([*events[:-1], three_aggregates(COUNT // 3)[-1]])
    shown = replace(rewritten, note=history(events).signed().note)

    result = reader.verify(shown)

    assert result["state"] == "broken"
    assert "history_rewritten" in [finding["cause"] for finding in result["findings"]]


def test_history_that_was_rewritten_and_signed_anew_is_not_what_this_browser_saw(reader: Reader, events: list[Event]) -> None:
    other = history(three_aggregates(COUNT // 3)).signed()

    result = reader.verify(other, remembered=remembering(history(events), 300))

    assert first_of(result) == ("broken", None, "history_rewritten")
    assert result["remembered"]["holds"] is False


def test_checkpoint_of_the_same_size_with_another_root_is_told(reader: Reader, events: list[Event]) -> None:
    other = history(three_aggregates(COUNT // 3)).signed()

    assert first_of(reader.verify(other, remembered=remembering(history(events), 600))) == ("broken", None, "history_rewritten")


def test_history_that_was_rolled_back_is_told(reader: Reader, events: list[Event]) -> None:
    older = history(events[:300]).signed()

    assert first_of(reader.verify(older, remembered=remembering(history(events), 600))) == ("broken", None, "tail_cut")


@pytest.mark.parametrize(("first", "last", "state"), [(1, None, "broken"), (1, 600, "broken"), (500, 590, "broken"), (1, 589, "intact")])
def test_stream_that_ends_before_what_was_signed_is_told(
    reader: Reader, events: list[Event], first: int, last: int | None, state: str
) -> None:
    shown = replace(history(events).signed().without(*range(590, 601)), end=589)

    found = reader.verify(shown, first=first, last=last)

    assert (found["state"], [(one["sequence"], one["cause"]) for one in found["findings"]]) == (state, [(590, "tail_cut")] * found["found"])


def test_event_that_links_to_another_is_told_where_nothing_was_signed(reader: Reader, events: list[Event]) -> None:
    assert first_of(reader.verify(replace(history(events), messages=changed(events, 300)))) == ("broken", 303, "link_broken")


def test_event_under_a_subject_of_another_is_told(reader: Reader, events: list[Event]) -> None:
    shown = history(events)
    shown.messages[9] = ("cim.events.sales.order.o1.item_added.v99", shown.messages[9][1])

    assert first_of(reader.verify(shown.signed())) == ("broken", 9, "misplaced")


def test_version_that_is_there_twice_is_told(reader: Reader, events: list[Event]) -> None:
    assert first_of(reader.verify(history([*events[:9], events[5]]).signed())) == ("broken", 10, "duplicate_version")


def test_bytes_that_are_no_event_are_told(reader: Reader, events: list[Event]) -> None:
    shown = history(events[:9])
    shown.messages[5] = (shown.messages[5][0], b"hello")
    shown.leaves[4] = leaf(5, cid_of(b"hello"))

    assert first_of(reader.verify(shown.signed())) == ("broken", 5, "undecodable")


def test_version_that_never_was_in_the_stream_is_told(reader: Reader, events: list[Event]) -> None:
    assert first_of(reader.verify(history([*events[:3], *events[6:9]]).signed())) == ("broken", 4, "missing")


# -- keys ------------------------------------------------------------------------------------------------------------------------------


def test_checkpoint_by_another_key_does_not_count(reader: Reader, events: list[Event]) -> None:
    other = SigningKey.generate(KEY.name, KeyKind.LOG)
    shown = replace(history(events).signed(other), vkeys=[other.verifier.vkey])

    assert first_of(reader.verify(shown)) == ("broken", None, "signature")


def test_server_that_says_itself_that_another_log_lies_there_is_no_failure(reader: Reader, events: list[Event]) -> None:
    result = reader.verify(replace(history(events).signed(), refusal="another log was put in the place of this one"))

    assert first_of(result) == ("broken", None, "signature")
    assert result["findings"][0]["found"] == "another log was put in the place of this one"


def test_key_that_follows_without_a_note_of_the_old_one_does_not_count(reader: Reader, events: list[Event]) -> None:
    other, third = (SigningKey.generate(KEY.name, KeyKind.LOG) for _ in range(2))
    shown = replace(
        history(events).signed(other), vkeys=[KEY.verifier.vkey, other.verifier.vkey], rotations=[sign_rotation(third, other).raw]
    )

    assert first_of(reader.verify(shown)) == ("broken", None, "signature")


def test_retired_key_counts_up_to_what_it_signed_last(reader: Reader, events: list[Event]) -> None:
    new = SigningKey.generate(KEY.name, KeyKind.LOG)
    last = Checkpoint(origin=f"{KEY.name}/{STREAM}", size=300, root=history(events[:300]).tree.root())
    keys = {"vkeys": [KEY.verifier.vkey, new.verifier.vkey], "rotations": [sign_rotation(KEY, new, [last]).raw]}
    stolen, kept = (replace(history(events[:count]).signed(), **keys) for count in (301, 300))

    for vkeys in ([], [KEY.verifier.vkey], [new.verifier.vkey]):
        result = reader.verify(stolen, vkeys=vkeys)
        assert first_of(result) == ("broken", None, "signature")
        assert "which another key had followed by then" in result["findings"][0]["found"]
        assert reader.verify(kept, vkeys=vkeys)["state"] == "intact"


def test_checkpoint_of_another_stream_does_not_count(reader: Reader, events: list[Event]) -> None:
    assert first_of(reader.verify(history(events).signed(stream="CIM-OTHER"))) == ("broken", None, "signature")


def test_first_key_that_is_another_than_the_one_seen_before_is_told(reader: Reader, events: list[Event]) -> None:
    other = SigningKey.generate(KEY.name, KeyKind.LOG)
    shown = replace(history(events).signed(other), vkeys=[other.verifier.vkey])

    result = reader.verify(shown, vkeys=[], remembered={"firstKey": KEY.verifier.vkey})

    assert first_of(result) == ("broken", None, "signature")
    assert result["findings"][0]["expected"] == KEY.verifier.vkey


def test_text_that_is_no_key_is_said_to_be_none(reader: Reader, events: list[Event]) -> None:
    result = reader.verify(history(events).signed(), vkeys=["hello"])

    assert first_of(result) == ("broken", None, "signature")
    assert '"hello" is no vkey' in result["findings"][0]["found"]


# -- servers that fail -----------------------------------------------------------------------------------------------------------------


def test_log_that_lacks_its_tiles_does_not_pass_for_one_that_holds(reader: Reader, events: list[Event]) -> None:
    shown = replace(history(events).signed(), lost=frozenset({"tile/1/000.p/2", "tile/0/000", "tile/0/001", "tile/0/002.p/88"}))

    assert reader.verify(shown, first=590, last=600)["state"] == "broken"


def test_what_is_gone_and_not_in_the_log_either_does_not_pass(reader: Reader, events: list[Event]) -> None:
    shown = replace(history(events).signed().without(300), lost=frozenset({"tile/entries/001"}))

    assert first_of(reader.verify(shown)) == ("broken", 300, "content_changed")


@pytest.mark.parametrize("length", [5, 20, 2_000])
def test_answer_that_breaks_off_proves_nothing(reader: Reader, events: list[Event], length: int) -> None:
    result = reader.verify(replace(history(events).signed(), breaks_after=length))

    assert result["state"] == "failed"
    assert result["words"].startswith("The server's answer broke off")
