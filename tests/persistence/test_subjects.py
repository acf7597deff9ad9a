from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.persistence.errors import InvalidSubject
from apps.persistence.store import CoreMessage, open_connection
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.subjects import ShortSubject, check_pattern, check_subject, check_token, is_more_specific, matches, overlaps

patterns = st.lists(st.sampled_from(["a", "b", "*", "ab"]), min_size=1, max_size=5).flatmap(
    lambda head: st.sampled_from([".".join(head), ".".join([*head, ">"])])
)
subjects = st.lists(st.sampled_from(["a", "b", "ab", "c"]), min_size=1, max_size=6).map(".".join)


@pytest.mark.parametrize(
    ("pattern", "subject", "is_match"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("*.b", "a.b", True),
        ("a*.b", "ab.b", False),
        ("*", "a.b", False),
        ("a.*.>", "a.b", False),
        ("a.*.>", "a.b.c.d", True),
    ],
)
def test_a_pattern_matches_as_nats_defines(pattern: str, subject: str, is_match: bool) -> None:
    assert matches(pattern, subject) is is_match


async def test_patterns_match_exactly_what_the_server_delivers(nats_server: EmbeddedServer) -> None:
    wanted = ["p.a", "p.*", "p.>", "p.*.b", "p.a.>", "p.*.*", "p.*.>", "*.a", "*.*.c", ">"]
    sent = ["p.a", "p.b", "p.a.b", "p.a.c", "p.b.b", "p.a.b.c", "p.ab", "p.xb.c", "q.a", "p"]
    received: set[tuple[str, str]] = set()

    async with open_connection(nats_server.settings("worker")) as connection, AsyncExitStack() as subscriptions:
        for pattern in wanted:

            def note(message: CoreMessage, pattern: str = pattern) -> None:
                if message.subject in sent:
                    received.add((pattern, message.subject))

            await subscriptions.enter_async_context(connection.subscribe(pattern, note))
        for subject in sent:
            await connection.publish(subject)
        await connection.api("INFO")  # answered after all of them; a ping would overtake what the client has not sent yet

    assert {(pattern, subject) for pattern in wanted for subject in sent if matches(pattern, subject)} == received


@given(patterns, patterns, subjects)
def test_patterns_that_share_a_subject_overlap(one: str, other: str, subject: str) -> None:
    if matches(one, subject) and matches(other, subject):
        assert overlaps(one, other)
        assert overlaps(other, one)


@pytest.mark.parametrize(("one", "other"), [("a.b", "a.c"), ("a.*", "b.*"), ("a.>", "a"), ("a.*", "a.b.c"), ("*.x.>", "a.y.b")])
def test_patterns_without_a_common_subject_do_not_overlap(one: str, other: str) -> None:
    assert not overlaps(one, other)


def test_the_more_specific_pattern_says_more() -> None:
    assert is_more_specific("a.b", "a.*")
    assert is_more_specific("a.*", "a.>")
    assert is_more_specific("a.*.c", "a.*.*")
    assert is_more_specific("a.b.*", "a.*.b")
    assert not is_more_specific("a.*", "a.*")


@pytest.mark.parametrize("token", ["", "a.b", "a b", "*", ">", "a*", "ü", "a\n", "<b>", "a" * 129, "a/b", "$JS"])
def test_a_token_outside_the_grammar_is_refused_with_its_value(token: str) -> None:
    with pytest.raises(InvalidSubject, match="cannot be used as an aggregate id"):
        check_token(token, "an aggregate id")


@pytest.mark.parametrize("text", ["", ".", "a..b", ".a", "a.", "a b", "a\tb", "a\r\nb", "a.\x00", "a" * 1025])
def test_what_no_server_accepts_is_no_pattern(text: str) -> None:
    with pytest.raises(InvalidSubject):
        check_pattern(text)


def test_a_full_wildcard_stands_only_at_the_end() -> None:
    assert check_pattern("a.*.>") == "a.*.>"
    with pytest.raises(InvalidSubject, match="only be its last token"):
        check_pattern("a.>.b")


def test_a_pattern_is_no_subject() -> None:
    with pytest.raises(InvalidSubject, match="holds a wildcard"):
        check_subject("a.*")


def test_the_short_convention_maps_to_the_long_form() -> None:
    short = ShortSubject.parse("people.person.registered.v1")

    assert short.to_long(entity="0193", version=7) == "cim.events.people.person.0193.registered.v7"
    assert str(short) == "people.person.registered.v1"


@pytest.mark.parametrize("text", ["a.b.c", "a.b.c.d.e", "a.b.c.1", "a.b.c.v0", "a.b.c.v01", "a.b.c.v", "a.*.c.v1", "a.b.c.v१"])
def test_text_outside_the_short_convention_is_refused(text: str) -> None:
    with pytest.raises(InvalidSubject):
        ShortSubject.parse(text)
