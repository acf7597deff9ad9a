"""Nodes with servers of their own: they work alone, and send once and in order what may travel."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from apps.persistence.errors import BlockConflict, InvalidInput, InvalidSubject, RevisionConflict
from apps.persistence.events import NewEvent, Scope, now
from apps.persistence.store import (
    EVENTS,
    EventBlock,
    Store,
    append,
    get_stream,
    head_of,
    load,
)
from apps.persistence.sync import (
    GATHERED_STREAM,
    IMMEDIATE,
    MANUAL,
    ON_CONNECTION,
    EventEnvelope,
    Link,
    PropagationPolicy,
    When,
    batched,
    bring_down,
    ensure_sync,
    gather,
    gathered_of,
    layer_above,
    pass_on,
    policy_of,
    reaches,
    read_state,
    read_status,
    release,
    run_link,
)
from apps.persistence.sync.gathered import layout_of

from .linked_nodes import NOTE, OTHER, Node, OpenNode, open_node, say, texts_above, until

__all__ = ["open_node"]

# -- scope and policy -------------------------------------------------------------------------------------------------------------------


def test_event_climbs_exactly_the_layers_of_its_scope() -> None:
    order = [Scope.LOCAL, Scope.CONTAINER, Scope.LEAF, Scope.CLUSTER, Scope.SUPER_CLUSTER]

    assert [[reaches(scope, layer) for layer in order] for scope in order] == [[n <= m for n in range(5)] for m in range(5)]
    assert [layer_above(layer) for layer in order] == [*order[1:], None]


@pytest.mark.parametrize("policy", [IMMEDIATE, batched(2.5), ON_CONNECTION, MANUAL])
async def test_scope_and_policy_are_stored_with_the_event(policy: PropagationPolicy, store: Store) -> None:
    envelope = EventEnvelope(event=NewEvent(type="written", metadata={"tab": 3}), scope=Scope.LEAF, policy=policy)

    await append(store, await head_of(store, NOTE), [envelope.to_event()])

    (stored,) = (await load(store, NOTE)).events
    assert (stored.event.scope, policy_of(stored.event), stored.event.metadata["tab"]) == (Scope.LEAF, policy, 3)


@pytest.mark.parametrize("policy", [{"when": When.BATCHED}, {"when": When.MANUAL, "seconds": 3.0}, {"when": When.BATCHED, "seconds": -1.0}])
def test_policy_that_cannot_be_is_refused(policy: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="makes no sense; batched needs seconds above 0"):
        PropagationPolicy(**policy)  # type: ignore[arg-type]


@pytest.mark.parametrize("said", ["whenever", {"batched": "soon"}, {"batched": 0}, 7, {}])
async def test_policy_that_somebody_else_wrote_wrongly_is_named(said: object, store: Store) -> None:
    await append(store, await head_of(store, NOTE), [NewEvent(type="written", metadata={"propagation": said})])  # type: ignore[dict-item]

    with pytest.raises(InvalidInput, match=r"Version 1 of notes\.note\.n-1 has the policy"):
        policy_of((await load(store, NOTE)).events[0].event)


def test_link_to_the_layer_that_nothing_leaves_is_refused() -> None:
    with pytest.raises(InvalidInput, match="leads to the layer local"):
        Link(name="up", node="laptop", layer=Scope.LOCAL)
    with pytest.raises(InvalidSubject):
        Link(name="up", node="my laptop", layer=Scope.LEAF)


# -- one pass ---------------------------------------------------------------------------------------------------------------------------


async def test_events_are_copied_byte_for_byte_once_and_in_order_as_far_as_their_scope(open_node: OpenNode) -> None:
    laptop, above = await open_node("laptop", Scope.LEAF), await open_node("above", Scope.CLUSTER)
    for text, scope in [("one", Scope.CLUSTER), ("two", Scope.LOCAL), ("three", Scope.CONTAINER), ("four", Scope.LEAF)]:
        await say(laptop, text, scope=scope)

    first = await pass_on(laptop.link, laptop.store, above.store.connection)
    again = await pass_on(laptop.link, laptop.store, above.store.connection)

    own = (await load(laptop.store, NOTE)).events
    copies = await gathered_of(above.store, NOTE)
    assert [one.stored.cid for one in copies] == [own[0].cid, own[3].cid]
    assert (first.sent, again.sent, again.state.stayed, again.state.position) == (2, 0, 2, own[3].sequence)


async def test_pass_that_was_cut_off_before_it_was_noted_sends_nothing_twice(open_node: OpenNode) -> None:
    laptop, above = await open_node("laptop", Scope.LEAF), await open_node("above", Scope.CLUSTER)
    for number in range(40):
        await say(laptop, str(number))
    events = (await load(laptop.store, NOTE)).events
    blocks = [EventBlock.read(one.event.to_block()) for one in events[:17]]
    await gather(above.store.connection, "laptop", blocks)  # as a pass would have, killed before it wrote its position

    passed = await pass_on(laptop.link, laptop.store, above.store.connection)

    assert (passed.sent, await texts_above(above)) == (23, [str(number) for number in range(40)])


async def test_two_processes_on_one_link_do_not_both_note_it(open_node: OpenNode) -> None:
    laptop, above = await open_node("laptop", Scope.LEAF), await open_node("above", Scope.CLUSTER)
    for number in range(20):
        await say(laptop, str(number))

    results = await asyncio.gather(*(pass_on(laptop.link, laptop.store, above.store.connection) for _ in range(4)), return_exceptions=True)

    assert {type(one) for one in results if isinstance(one, BaseException)} <= {RevisionConflict}
    assert await texts_above(above) == [str(number) for number in range(20)]


async def test_batched_events_go_together_when_the_first_is_due(open_node: OpenNode) -> None:
    laptop, above = await open_node("laptop", Scope.LEAF), await open_node("above", Scope.CLUSTER)
    for number in range(3):
        await say(laptop, str(number), policy=batched(60))
    await say(laptop, "at once", to=OTHER)

    early = await pass_on(laptop.link, laptop.store, above.store.connection)
    soon = await texts_above(above)
    late = await pass_on(laptop.link, laptop.store, above.store.connection, at=now() + timedelta(seconds=61))

    assert ([one.version for one in early.held], early.sent, soon) == ([1, 2, 3], 1, [])
    assert await texts_above(above, OTHER) == ["at once"]
    assert (late.held, late.sent, await texts_above(above)) == ((), 3, ["0", "1", "2"])


async def test_event_on_connection_waits_for_the_next_one(open_node: OpenNode) -> None:
    laptop, above = await open_node("laptop", Scope.LEAF), await open_node("above", Scope.CLUSTER)
    await say(laptop, "rare", policy=ON_CONNECTION)

    connected = await pass_on(laptop.link, laptop.store, above.store.connection)
    anew = await pass_on(laptop.link, laptop.store, above.store.connection, has_just_connected=True)

    assert ([one.when for one in connected.held], connected.sent, anew.sent) == ([When.ON_CONNECTION], 0, 1)


async def test_event_by_hand_waits_for_its_release_and_what_follows_it_waits_behind(open_node: OpenNode) -> None:
    laptop, above = await open_node("laptop", Scope.LEAF), await open_node("above", Scope.CLUSTER)
    await say(laptop, "draft", policy=MANUAL)
    await say(laptop, "and more")
    await say(laptop, "second draft", policy=MANUAL)

    before = await pass_on(laptop.link, laptop.store, above.store.connection)
    await release(laptop.store.connection, laptop.link, EVENTS.stream, until=before.held[0].sequence)
    after = await pass_on(laptop.link, laptop.store, above.store.connection)

    assert [(one.version, one.behind) for one in before.held] == [(1, None), (2, 1), (3, 1)]
    assert ([one.version for one in after.held], await texts_above(above)) == ([3], ["draft", "and more"])


async def test_history_that_was_rewritten_at_the_node_is_not_mixed_with_the_one_above(open_node: OpenNode) -> None:
    laptop, above = await open_node("laptop", Scope.LEAF), await open_node("above", Scope.CLUSTER)
    backup = await open_node("backup", Scope.LEAF)
    await say(backup, "another past")
    await pass_on(Link(name="up", node="laptop", layer=Scope.LEAF), backup.store, above.store.connection)
    await say(laptop, "the past")

    with pytest.raises(BlockConflict, match="version 1"):
        await pass_on(laptop.link, laptop.store, above.store.connection)


# -- layers and nodes -------------------------------------------------------------------------------------------------------------------


async def test_event_bubbles_from_the_application_through_each_layer_that_its_scope_allows(open_node: OpenNode) -> None:
    application, container, leaf = (
        await open_node("app", Scope.CONTAINER),
        await open_node("box", Scope.LEAF),
        await open_node("site", Scope.CLUSTER),
    )
    for text, scope in [("a", Scope.LOCAL), ("b", Scope.CONTAINER), ("c", Scope.LEAF), ("d", Scope.SUPER_CLUSTER)]:
        await say(application, text, scope=scope)
    await say(container, "own", scope=Scope.LEAF, to=OTHER)

    await pass_on(application.link, application.store, container.store.connection)
    for source in (container.store, container.store.on(layout_of("box"))):
        await pass_on(container.link, source, leaf.store.connection)

    assert (await texts_above(container), await texts_above(leaf)) == (["b", "c", "d"], ["c", "d"])
    assert [(one.node, one.stored.event.actor) for one in await gathered_of(leaf.store, OTHER)] == [("box", "box")]


async def test_two_nodes_exchange_events_through_the_server_above(open_node: OpenNode) -> None:
    one, other = await open_node("one", Scope.CLUSTER), await open_node("other", Scope.CLUSTER)
    above = await open_node("above", Scope.SUPER_CLUSTER)
    await say(one, "from one", scope=Scope.CLUSTER)
    await say(one, "of one alone", scope=Scope.LEAF)
    await say(other, "from other", scope=Scope.SUPER_CLUSTER, to=OTHER)

    for node in (one, other):
        await pass_on(node.link, node.store, above.store.connection)
    for node in (one, other):
        await bring_down(node.link, above.store.connection, node.store)

    assert (await texts_above(other), await texts_above(other, OTHER)) == (["from one"], [])
    assert (await texts_above(one), await texts_above(one, OTHER)) == ([], ["from other"])


async def test_node_works_alone_survives_its_restart_and_sends_all_once_when_it_is_connected_again(open_node: OpenNode) -> None:
    laptop, above = await open_node("laptop", Scope.CLUSTER), await open_node("above", Scope.SUPER_CLUSTER)
    stop = asyncio.Event()
    above_settings = above.server.settings("worker")
    await asyncio.to_thread(above.server.stop)
    running = asyncio.create_task(run_link(laptop.store, laptop.link, above_settings, stop))
    for number in range(30):
        await say(laptop, str(number))
    await asyncio.to_thread(laptop.server.restart)
    await until(lambda: _is_connected(laptop))
    for number in range(30, 60):
        await say(laptop, str(number))
    apart = await read_status(laptop.store.connection, laptop.link)
    await asyncio.to_thread(above.server.start)

    await until(lambda: _has_all(above, 60))
    for number in range(60, 70):
        await say(laptop, str(number))
    await until(lambda: _has_all(above, 70))
    together = await read_status(laptop.store.connection, laptop.link)
    stop.set()
    await running

    assert await texts_above(above) == [str(number) for number in range(70)]
    assert (await get_stream(above.store.connection, GATHERED_STREAM)).messages == 70
    assert apart is not None
    assert (apart.is_connected, "No NATS server answers" in apart.trouble) == (False, True)
    assert together is not None
    assert together.is_connected


async def _is_connected(node: Node) -> bool:
    return node.store.connection.is_connected


async def _has_all(above: Node, count: int) -> bool:
    return above.store.connection.is_connected and len(await gathered_of(above.store, NOTE)) == count


async def test_state_of_a_link_that_never_ran_is_the_beginning(store: Store) -> None:
    await ensure_sync(store.connection)
    link = Link(name="never", node="laptop", layer=Scope.LEAF)

    assert (await read_state(store.connection, link, "EVENTS")).position == 0
    assert await read_status(store.connection, link) is None
