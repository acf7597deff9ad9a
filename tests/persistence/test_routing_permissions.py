"""This module is who may publish and subscribe where, by either of two rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.persistence.errors import InvalidSubject
from apps.persistence.routing import Act, MostSpecificWins, PermissionRule, SubjectPermissions, ask_own_user, by_specificity
from apps.persistence.routing.permissions import covers
from apps.persistence.store import open_store
from apps.persistence.store.embedded import WEB_MAY_PUBLISH, WEB_MAY_SUBSCRIBE, EmbeddedServer
from apps.persistence.subjects import matches

tokens = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3)
patterns = tokens.flatmap(lambda head: st.sampled_from([".".join(head), ".".join([*head, ">"])]))
subjects = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=5).map(".".join)


@pytest.mark.parametrize(
    ("subject", "is_allowed"),
    [
        ("shop.order.placed", True),
        ("shop.order.secret", False),
        ("shop", False),
        ("user.registered", False),
        ("orders.7", False),
    ],
)
def test_deny_wins_over_whatever_allows(subject: str, is_allowed: bool) -> None:
    may = SubjectPermissions(publish_allow=["shop.>", "shop.order.secret"], subscribe_allow=["orders.*"], deny=["*.*.secret"])

    assert may.can_publish(subject) is is_allowed


@pytest.mark.parametrize(
    ("pattern", "is_allowed"),
    [("orders.7", True), ("orders.*", True), ("orders.>", False), ("*.7", False), ("orders.open.secret", False), ("orders.open.*", False)],
)
def test_subscription_is_allowed_only_where_all_it_could_receive_is(pattern: str, is_allowed: bool) -> None:
    may = SubjectPermissions(subscribe_allow=["orders.*", "orders.open.*"], publish_allow=[">"], deny=["orders.*.secret"])

    assert may.can_subscribe(pattern) is is_allowed


def test_decision_names_the_pattern_that_made_it() -> None:
    may = SubjectPermissions(publish_allow=["shop.>"], deny=["shop.secret"])

    denied, allowed, neither = (may.decide(Act.PUBLISH, subject) for subject in ("shop.secret", "shop.order", "user"))

    assert (denied.is_allowed, denied.pattern, denied.rule) == (False, "shop.secret", "deny-wins")
    assert (allowed.is_allowed, allowed.pattern) == (True, "shop.>")
    assert (neither.is_allowed, neither.pattern) == (False, None)


RULES = MostSpecificWins(
    rules=[
        PermissionRule(pattern=">", is_allowed=False),
        PermissionRule(pattern="shop.>", is_allowed=True),
        PermissionRule(pattern="shop.*.secret", is_allowed=False),
        PermissionRule(pattern="shop.order.secret", is_allowed=True, acts=frozenset({Act.SUBSCRIBE})),
    ]
)


@pytest.mark.parametrize(
    ("act", "subject", "is_allowed", "pattern"),
    [
        (Act.PUBLISH, "user.registered", False, ">"),
        (Act.PUBLISH, "shop.order.placed", True, "shop.>"),
        (Act.PUBLISH, "shop.order.secret", False, "shop.*.secret"),
        (Act.SUBSCRIBE, "shop.order.secret", True, "shop.order.secret"),
        (Act.SUBSCRIBE, "shop.user.secret", False, "shop.*.secret"),
        (Act.SUBSCRIBE, "shop.*.placed", True, "shop.>"),
        (Act.SUBSCRIBE, "shop.user.*", False, "shop.*.secret"),
        (Act.SUBSCRIBE, "shop.>", False, "shop.*.secret"),
        (Act.SUBSCRIBE, "*.>", False, ">"),
    ],
)
def test_most_specific_rule_wins(act: Act, subject: str, is_allowed: bool, pattern: str) -> None:
    decision = RULES.decide(act, subject)

    assert (decision.is_allowed, decision.pattern, decision.rule) == (is_allowed, pattern, "most-specific-wins")


def test_of_two_rules_alike_the_first_wins_and_without_any_the_default() -> None:
    rules = MostSpecificWins(
        rules=[PermissionRule(pattern="a.*", is_allowed=True), PermissionRule(pattern="a.*", is_allowed=False)], default_is_allowed=True
    )

    assert rules.decide(Act.PUBLISH, "a.b").is_allowed
    assert rules.decide(Act.PUBLISH, "c").is_allowed
    assert not MostSpecificWins().decide(Act.PUBLISH, "c").is_allowed


@given(st.lists(patterns, max_size=4), st.lists(patterns, max_size=3), patterns, subjects)
def test_permitted_subscription_never_receives_what_is_denied(allow: list[str], deny: list[str], wanted: str, subject: str) -> None:
    may = SubjectPermissions(subscribe_allow=allow, deny=deny)

    if may.can_subscribe(wanted) and matches(wanted, subject):
        assert may.can_subscribe(subject)


@given(st.lists(st.tuples(patterns, st.booleans()), max_size=5), st.booleans(), patterns, subjects)
def test_subscription_that_rules_permit_never_receives_what_they_deny(
    given_rules: list[tuple[str, bool]], default: bool, wanted: str, subject: str
) -> None:
    rules = [PermissionRule(pattern=pattern, is_allowed=is_allowed) for pattern, is_allowed in given_rules]
    may = MostSpecificWins(rules=rules, default_is_allowed=default)

    if may.decide(Act.SUBSCRIBE, wanted).is_allowed and matches(wanted, subject):
        assert may.decide(Act.SUBSCRIBE, subject).is_allowed


@given(patterns, patterns, subjects)
def test_pattern_that_covers_another_matches_all_that_it_matches(one: str, other: str, subject: str) -> None:
    if covers(one, other) and matches(other, subject):
        assert matches(one, subject)


@pytest.mark.parametrize("pattern", ["", "a..b", "a.>.b", "a b"])
def test_bad_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidSubject):
        SubjectPermissions(deny=[pattern])
    with pytest.raises(InvalidSubject):
        PermissionRule(pattern=pattern, is_allowed=True)
    with pytest.raises(InvalidSubject):
        SubjectPermissions(publish_allow=[">"]).can_publish(pattern)


def test_denial_of_one_act_leaves_the_other() -> None:
    permissions = SubjectPermissions(publish_allow=["a.>"], subscribe_allow=["a.>"], publish_deny=["a.b"], subscribe_deny=["a.c"])

    assert [permissions.can_publish("a.b"), permissions.can_subscribe("a.b")] == [False, True]
    assert [permissions.can_publish("a.c"), permissions.can_subscribe("a.c")] == [True, False]


def test_same_lists_under_the_other_rule_may_decide_differently() -> None:
    permissions = SubjectPermissions(publish_allow=["a.b.c"], deny=["a.>"])

    assert not permissions.decide(Act.PUBLISH, "a.b.c").is_allowed
    assert by_specificity(permissions).decide(Act.PUBLISH, "a.b.c").is_allowed
    assert not by_specificity(permissions).decide(Act.PUBLISH, "a.b.d").is_allowed


async def test_server_tells_a_user_what_it_may_do(nats_server: EmbeddedServer) -> None:
    async with open_store(nats_server.settings("web")) as store:
        user = await ask_own_user(store.connection)

    assert user is not None
    assert (user.name, user.account) == ("web", "CIM")
    assert set(user.permissions.publish_allow) == set(WEB_MAY_PUBLISH)
    assert set(user.permissions.subscribe_allow) == set(WEB_MAY_SUBSCRIBE)
    assert not user.permissions.can_publish("cim.events.sales.order.o-1.created.v1")
