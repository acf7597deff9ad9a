"""This module is the subject router: its strategies, its changes while it runs, its figures, and the router at work on a connection."""

from __future__ import annotations

import asyncio
import logging

import pytest

from apps.persistence.errors import InvalidInput, InvalidSubject, NoRoute, NotFound, PermissionDenied
from apps.persistence.events import new_id
from apps.persistence.routing import (
    NatsMessage,
    RoutePattern,
    RoutingStrategy,
    SubjectPermissions,
    SubjectRouter,
    listen,
)
from apps.persistence.store import Store

PLACED = NatsMessage(subject="shop.order.placed", payload=b"tea", headers={"Trace": "t1"})


async def answer(message: NatsMessage, route: RoutePattern) -> bytes:
    return route.name.encode() + b":" + message.payload


async def fail(message: NatsMessage, route: RoutePattern) -> bytes:
    raise ValueError(f"{route.name} cannot")


def router_of(strategy: RoutingStrategy, *routes: RoutePattern) -> SubjectRouter:
    router = SubjectRouter(strategy)
    router.register_handler("answer", answer)
    router.register_handler("fail", fail)
    for route in routes:
        router.add_route(route)
    return router


def route(name: str, pattern: str = "shop.>", *, handler: str = "answer", priority: int = 0) -> RoutePattern:
    return RoutePattern(name=name, pattern=pattern, handler=handler, priority=priority)


async def taken(router: SubjectRouter, message: NatsMessage = PLACED) -> list[str]:
    return [result.route for result in await router.route(message)]


# -- strategies ---------------------------------------------------------------------------------------------------------------------------


async def test_first_match_takes_the_route_that_was_added_first() -> None:
    router = router_of(RoutingStrategy.FIRST_MATCH, route("other", "shop.user.*"), route("one", priority=1), route("two", priority=9))

    assert await taken(router) == ["one"]


async def test_all_matches_take_all_routes_and_answer_in_order() -> None:
    router = router_of(RoutingStrategy.ALL_MATCHES, route("one", priority=1), route("other", "shop.user.*"), route("two", "shop.*.placed"))

    results = await router.route(PLACED)

    assert [(result.route, result.answer) for result in results] == [("one", b"one:tea"), ("two", b"two:tea")]


async def test_highest_priority_wins_and_of_two_alike_the_first() -> None:
    router = router_of(RoutingStrategy.PRIORITY_BASED, route("low", priority=-5), route("first", priority=7), route("second", priority=7))

    assert await taken(router) == ["first"]


async def test_round_robin_distributes_evenly_over_subjects_that_are_all_different() -> None:
    router = router_of(RoutingStrategy.ROUND_ROBIN, route("one"), route("two"), route("three"), route("other", "user.>"))

    for number in range(9):
        await router.route(NatsMessage(subject=f"shop.order.{number}"))

    assert router.stats().route_hits == {"one": 3, "two": 3, "three": 3, "other": 0}


async def test_looking_where_a_message_would_go_takes_no_turn() -> None:
    router = router_of(RoutingStrategy.ROUND_ROBIN, route("one"), route("two"))

    looked = [found.name for _ in range(3) for found in router.next_routes("shop.order.placed")]

    assert looked == ["one", "one", "one"]
    assert await taken(router) == ["one"]
    assert await taken(router) == ["two"]


# -- changes while it runs ----------------------------------------------------------------------------------------------------------------


async def test_route_added_at_run_time_takes_effect_at_once_and_a_removed_one_no_more() -> None:
    router = router_of(RoutingStrategy.ROUND_ROBIN, route("one"), route("two"))
    await taken(router)

    router.remove_route("two")
    router.add_route(route("three"))

    assert [await taken(router) for _ in range(4)] == [["one"], ["three"], ["one"], ["three"]]
    assert [found.name for found in router.routes] == ["one", "three"]


async def test_replaced_handler_answers_from_the_next_message_on() -> None:
    async def other(message: NatsMessage, route: RoutePattern) -> bytes:
        return b"other"

    router = router_of(RoutingStrategy.FIRST_MATCH, route("one"))

    router.register_handler("answer", other)

    assert [result.answer for result in await router.route(PLACED)] == [b"other"]


def test_route_to_a_handler_that_nobody_registered_is_refused() -> None:
    router = router_of(RoutingStrategy.FIRST_MATCH)

    with pytest.raises(NotFound, match="'event_processor', which is not registered; there are answer, fail"):
        router.add_route(route("one", handler="event_processor"))

    assert router.routes == ()


def test_handler_that_a_route_leads_to_cannot_be_removed() -> None:
    router = router_of(RoutingStrategy.FIRST_MATCH, route("one"))

    with pytest.raises(InvalidInput, match="one"):
        router.remove_handler("answer")
    with pytest.raises(NotFound, match="'nobody'"):
        router.remove_handler("nobody")
    router.remove_route("one")
    router.remove_handler("answer")

    assert router.stats().total_handlers == 1


def test_name_that_is_taken_and_route_that_is_not_there_are_refused() -> None:
    router = router_of(RoutingStrategy.FIRST_MATCH, route("one"))

    with pytest.raises(InvalidInput, match="'one' already"):
        router.add_route(route("one", "other.>"))
    with pytest.raises(NotFound, match="'two'"):
        router.remove_route("two")


@pytest.mark.parametrize("pattern", ["", "shop..order", "shop.>.order", "shop order", "shop.\n"])
def test_bad_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidSubject):
        route("one", pattern)


def test_route_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no name"):
        route("")


@pytest.mark.parametrize("subject", ["shop.*", "shop.>", "", "a b"])
def test_message_on_a_pattern_is_refused(subject: str) -> None:
    with pytest.raises(InvalidSubject):
        NatsMessage(subject=subject)


# -- failures and figures -----------------------------------------------------------------------------------------------------------------


async def test_message_that_no_route_takes_is_an_error_and_counted() -> None:
    router = router_of(RoutingStrategy.ALL_MATCHES, route("one", "shop.user.*"))

    with pytest.raises(NoRoute, match=r"shop\.order\.placed"):
        await router.route(PLACED)

    assert router.stats().unrouted == 1


async def test_failing_handler_is_told_and_counted() -> None:
    router = router_of(RoutingStrategy.FIRST_MATCH, route("one", handler="fail"))

    with pytest.raises(ValueError, match="one cannot"):
        await router.route(PLACED)

    stats = router.stats().routes["one"]
    assert (stats.hits, stats.failures) == (1, 1)
    assert stats.last_at is not None


async def test_one_failing_route_of_several_keeps_none_of_the_others_from_running() -> None:
    router = router_of(RoutingStrategy.ALL_MATCHES, route("one"), route("two", handler="fail"), route("three"))

    with pytest.raises(ExceptionGroup, match="1 of 3 routes") as raised:
        await router.route(PLACED)

    assert [str(error) for error in raised.value.exceptions] == ["two cannot"]
    assert router.stats().route_hits == {"one": 1, "two": 1, "three": 1}


async def test_subject_that_is_not_permitted_is_not_routed() -> None:
    router = SubjectRouter(RoutingStrategy.FIRST_MATCH, permissions=SubjectPermissions(subscribe_allow=["shop.>"], deny=["shop.*.placed"]))
    router.register_handler("answer", answer)
    router.add_route(route("one", ">"))

    with pytest.raises(PermissionDenied, match=r"shop\.\*\.placed decides \(deny-wins\)"):
        await router.route(PLACED)
    with pytest.raises(PermissionDenied, match="no pattern allows it"):
        await router.route(NatsMessage(subject="user.registered"))

    assert (router.stats().denied, router.stats().route_hits) == (2, {"one": 0})


# -- on a connection ----------------------------------------------------------------------------------------------------------------------


async def test_request_is_answered_by_its_route_and_a_new_route_by_the_next(store: Store) -> None:
    root = f"r{new_id()[-12:]}"
    router = router_of(RoutingStrategy.PRIORITY_BASED, route("one", f"{root}.>"))

    async with listen(store.connection, router, [f"{root}.>"]) as listening:
        before = await store.connection.request(f"{root}.placed", b"tea", {"Trace": "t1"})
        router.add_route(route("two", f"{root}.*", priority=1))
        after = await store.connection.request(f"{root}.placed", b"tea")

    assert (before.data, after.data) == (b"one:tea", b"two:tea")
    assert (listening.received, listening.failed, listening.dropped) == (2, 0, 0)


async def test_listening_goes_on_after_failures_and_messages_without_a_route(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    root = f"r{new_id()[-12:]}"
    router = router_of(RoutingStrategy.FIRST_MATCH, route("bad", f"{root}.bad", handler="fail"), route("good", f"{root}.good"))

    with caplog.at_level(logging.ERROR):
        async with listen(store.connection, router, [f"{root}.*"]) as listening:
            await store.connection.publish(f"{root}.bad")
            await store.connection.publish(f"{root}.unknown")
            reply = await store.connection.request(f"{root}.good", b"tea")

    assert reply.data == b"good:tea"
    assert (listening.received, listening.failed, router.stats().unrouted) == (3, 1, 1)
    assert f"a message on {root}.bad failed" in caplog.text


async def test_what_comes_faster_than_it_is_handled_is_dropped_and_counted(store: Store) -> None:
    root = f"r{new_id()[-12:]}"
    gate, begun = asyncio.Event(), asyncio.Event()

    async def wait(message: NatsMessage, route: RoutePattern) -> bytes:
        begun.set()
        await gate.wait()
        return b"done"

    router = router_of(RoutingStrategy.FIRST_MATCH)
    router.register_handler("wait", wait)
    router.add_route(route("slow", f"{root}.*", handler="wait"))

    async with listen(store.connection, router, [f"{root}.*"], waiting=2) as listening, asyncio.timeout(60):
        await store.connection.publish(f"{root}.first")
        await begun.wait()
        for _ in range(4):
            await store.connection.publish(f"{root}.more")
        await store.connection.api("INFO")
        gate.set()

    assert (listening.received, listening.dropped) == (5, 2)


async def test_nothing_is_received_after_the_block(store: Store) -> None:
    root = f"r{new_id()[-12:]}"
    router = router_of(RoutingStrategy.FIRST_MATCH, route("one", f"{root}.>"))

    async with listen(store.connection, router, [f"{root}.>"]):
        pass

    assert (await store.connection.request(f"{root}.placed")).status == "503"


async def test_patterns_that_overlap_or_are_not_permitted_are_refused(store: Store) -> None:
    router = SubjectRouter(RoutingStrategy.FIRST_MATCH, permissions=SubjectPermissions(subscribe_allow=["shop.>"], deny=["shop.secret"]))

    with pytest.raises(InvalidInput, match="overlap"):
        async with listen(store.connection, router, ["shop.order.>", "shop.*.placed"]):
            pass
    with pytest.raises(PermissionDenied, match=r"shop\.\* may not be subscribed to"):
        async with listen(store.connection, router, ["shop.*"]):
            pass
